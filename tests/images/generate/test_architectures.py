"""Today's text-to-image models: each pipeline class draws, with what it knows of the settings, and says what it does not know."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest

from susx.images.generate import DrawSettings, ImageRequest, LoadedPipeline, draw, load_pipeline
from susx.images.generate.arguments import call_arguments
from susx.testing.tiny_pipelines import ARCHITECTURES, save

SETTINGS = DrawSettings(steps=2, guidance=3.0, width=32, height=32)
REQUESTS = [ImageRequest("striped", "a photo of striped cloth", index) for index in range(3)]

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries whose models are this small


@pytest.fixture(scope="module", params=ARCHITECTURES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedPipeline:
    """The pipeline, written and loaded as one of the Hub is."""
    return load_pipeline(save(request.param, tmp_path_factory.mktemp("model") / request.param), device="cpu")


def test_it_draws_the_same_in_any_batch_and_guidance_counts(loaded: LoadedPipeline, tmp_path: Path) -> None:
    """Three pictures of their own of 32 pixels; another guidance gives others."""
    together = draw(loaded, REQUESTS, tmp_path / "together", settings=SETTINGS, batch_size=3)
    assert [(drawn.width, drawn.height, drawn.rejected) for drawn in together] == [(32, 32, "")] * 3
    alone = draw(loaded, REQUESTS[:1], tmp_path / "alone", settings=SETTINGS, batch_size=1)
    assert alone[0].digest == together[0].digest
    other = dataclasses.replace(SETTINGS, guidance=6.0)
    assert draw(loaded, REQUESTS[:1], tmp_path / "other", settings=other)[0].digest != alone[0].digest


def test_arguments_are_those_of_the_class(loaded: LoadedPipeline) -> None:
    """None that it does not know; a negative prompt is never lost in silence."""
    arguments, notes = call_arguments(loaded.pipe, dataclasses.replace(SETTINGS, negative_prompt="dotted"))
    assert notes == []
    assert arguments["negative_prompt"] == "dotted"
    assert ("true_cfg_scale" in arguments) is (
        type(loaded.pipe).__name__ == "QwenImagePipeline"
        or (
            type(loaded.pipe).__name__ == "FluxPipeline"
            and not loaded.pipe.transformer.config.guidance_embeds
        )
    )
    plain, _ = call_arguments(loaded.pipe, SETTINGS)
    assert plain.get("negative_prompt") == (" " if "true_cfg_scale" in arguments else None)


def test_what_a_class_does_not_know_is_said(painter: LoadedPipeline, tmp_path: Path, caplog) -> None:
    """Once a drawing, with the value that has no effect; the picture is drawn."""

    class Plain:
        """Like Flux 2: no negative prompt."""

        def __call__(self, prompt, num_inference_steps, guidance_scale, generator, output_type):
            return painter.pipe(
                prompt, num_inference_steps=num_inference_steps, generator=generator, output_type=output_type
            )

        def __getattr__(self, name):
            return getattr(painter.pipe, name)

    settings = DrawSettings(steps=2, guidance=3.0, negative_prompt="blurred")
    with caplog.at_level(logging.WARNING):
        drawn = draw(
            dataclasses.replace(painter, pipe=Plain()), REQUESTS, tmp_path, settings=settings, exact=False
        )
    assert len(drawn) == 3
    said = [record.getMessage() for record in caplog.records if "no effect" in record.getMessage()]
    assert said == [f"{painter.model}: Plain has no negative_prompt; 'blurred' has no effect."]
