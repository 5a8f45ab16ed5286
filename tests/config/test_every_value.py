"""Every literal value of every setting is carried out: a value that no exercise here takes up fails, so that a new one cannot be only validated."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from pydantic import BaseModel

from susx.config import DownloadConfig, EncoderConfig, LanguageModelConfig, PromptsConfig
from susx.config.dataset import DatasetConfig
from susx.config.experiment import ExperimentConfig
from susx.config.profile import ProfileConfig
from susx.demo.textures import render
from susx.features.encoder import load_encoder
from susx.images.generate import DrawSettings, draw, load_pipeline, plan_requests
from susx.images.retrieve.backends import BACKENDS, backend_settings, open_backend
from susx.methods import METHODS, Run
from susx.methods.functional.image_weights import Weighting
from susx.naming import classifier_sentences, image_prompts
from susx.pipeline.executors import InlineExecutor
from susx.pipeline.experiment_graph import measure_experiment, plan_experiment
from susx.store import ArtefactStore
from susx.testing.encoders import WordEncoder
from susx.testing.http_chat import ScriptedChat
from susx.testing.http_images import ImageServer
from susx.tuning import tune
from tests.commands.test_every_option import COMMANDS
from tests.commands.test_features_command import folder as feature_folder
from tests.images.generate.conftest import random_model  # noqa: F401
from tests.images.retrieve.test_backend_properties import CAPTIONS, QUERIES, section
from tests.images.support.test_curate import features, reasons, row, run, unit
from tests.methods.test_properties import VALUES as HYPER_PARAMETERS
from tests.methods.test_properties import evidence, images, logits
from tests.naming.test_language_model import tiny_language_model
from tests.naming.test_prompt_files import dataset

ROOT = Path(__file__).parents[2]


def literals(annotation: Any) -> list[Any]:
    """Return the values that an annotation lists."""
    if typing.get_origin(annotation) is Literal:
        return list(typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    return [value for inside in typing.get_args(annotation) for value in literals(inside)]


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the groups of settings in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inside in typing.get_args(annotation):
        yield from models(inside)


def of_models(*kinds: type[BaseModel]) -> dict[tuple[str, str], list[Any]]:
    """Return (group of settings, setting) -> its values, those of the groups inside included."""
    found: dict[tuple[str, str], list[Any]] = {}
    waiting, seen = list(kinds), set()
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        for name, field in kind.model_fields.items():
            if values := literals(field.annotation):
                found[kind.__name__, name] = values
            waiting += models(field.annotation)
    return found


def of_methods() -> dict[tuple[str, str], list[Any]]:
    """Return (method, hyper-parameter) -> its values."""
    hints = {
        name: typing.get_type_hints(kind, localns={"Weighting": Weighting}) for name, kind in METHODS.items()
    }
    return {
        (name, field.name): values
        for name, kind in METHODS.items()
        for field in dataclasses.fields(kind)
        if (values := literals(hints[name][field.name]))
    }


def of_commands() -> dict[tuple[str, str], list[Any]]:
    """Return (command, option) -> its values."""
    return {
        (words, name): values
        for words, command in COMMANDS.items()
        for name, annotation in typing.get_type_hints(inspect.unwrap(command.callback)).items()
        if (values := literals(annotation))
    }


SETTINGS = of_models(ProfileConfig, DatasetConfig, ExperimentConfig, *BACKENDS.values()) | of_methods()
OPTIONS = of_commands()


@dataclasses.dataclass
class Bench:
    """What exercises work with."""

    folder: Path
    stack: ExitStack
    model: Callable[[], Path]

    @property
    def picture(self) -> Image.Image:
        """A texture."""
        return Image.fromarray(render("dotted", "web", "train", 0))


def precision(value: str, bench: Bench) -> Any:
    encoder = load_encoder(EncoderConfig(model="susx-tiny", precision=value, device="cpu"))
    rows = torch.cat([encoder.encode_images([bench.picture]), encoder.encode_texts(["dotted texture."])])
    assert torch.isfinite(rows).all()
    return rows.tolist()


def sentences(group: str) -> Callable[[str, Bench], Any]:
    def speak(value: str, bench: Bench) -> Any:
        data = dataset(bench.folder, descriptors=str(bench.folder / "v.json"))
        (bench.folder / "v.json").write_text('{"cat": ["whiskers", "a long tail"]}')
        prompts = PromptsConfig.model_validate({group: value})
        if group == "images":
            return [prompt.text for prompt in image_prompts(prompts, data, "cat")]
        said = classifier_sentences(prompts, data, "cat")
        assert torch.isfinite(
            load_encoder(EncoderConfig(model="susx-tiny", device="cpu")).encode_texts(said)
        ).all()
        return said

    return speak


def language_model(value: str, bench: Bench) -> Any:
    from susx.naming import language_model as module

    if value == "transformers":
        where: dict[str, Any] = {"model": str(tiny_language_model(bench.folder / "lm"))}
    else:
        where = {
            "model": "m",
            "base_url": bench.stack.enter_context(ScriptedChat(lambda name, count=1: '["A cat."]')).url,
        }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_TOKENS", 12)  # the tiny one's context is short
        model = module.load_language_model(LanguageModelConfig(backend=value, attempts=1, **where))
        return model.ask("a cat", "Describe a cat.", 0)


def duplicate_rule(value: str, bench: Bench) -> Any:
    near, far = "0" * 16, "f" * 16
    rows = [
        row("cat", 0, phash=near),
        row("cat", 1, phash=near),
        row("cat", 2, phash=far),
        row("cat", 3, phash=near),
    ]
    likeness = torch.stack([unit(1.0), unit(0.0, 1.0), unit(1.0, 0.01), unit(1.0, 0.01)])
    return reasons(run(rows, likeness, duplicate_rule=value))


def balance(value: str, bench: Bench) -> Any:
    rows = [row("cat", 0), row("cat", 1), row("dog", 2)]
    return reasons(run(rows, features(3), balance=value))


def dtype(value: str, bench: Bench) -> Any:
    loaded = load_pipeline(bench.model(), dtype=value, device="cpu")
    requests = plan_requests("grid", ["grid"], 1)
    drawn = draw(loaded, requests, bench.folder / "drawn", settings=DrawSettings(steps=2, guidance=3.0))
    assert not drawn[0].rejected
    return drawn[0].digest


def tuning(value: str, bench: Bench) -> Any:
    _, choice = tune(METHODS["tip_adapter"](), evidence(), value, dataset=None, shrinkage=0.0, run=Run())
    return value, choice


def experiment(**changes: Any) -> Callable[[Any, Bench], Any]:
    def measure(value: Any, bench: Bench) -> Any:
        feature_folder(bench.folder / "one")
        inside = {name: value for name in changes["data"]}
        outside = {name: [value] for name in changes["settings"]}
        content = {
            "datasets": {"one": {"features": "one", **inside}}, "methods": ["tip_adapter"], "shots": [2], "draws": 1, **outside,
        }  # fmt: skip
        (bench.folder / "e.yaml").write_text(yaml.safe_dump(content))
        store = ArtefactStore(bench.folder / "store")
        planned = plan_experiment(bench.folder / "e.yaml")
        measured = measure_experiment(planned, InlineExecutor(store))
        assert measured.refs
        return value, sorted(ref.digest for ref in measured.refs)

    return measure


def backend(name: str, field: str) -> Callable[[Any, Bench], Any]:
    def ask(value: Any, bench: Bench) -> Any:
        kind = value if field == "backend" else name
        source = bench.folder / "source"
        config = section(kind, source, CAPTIONS, bench.stack).model_copy(update={field: value})
        download = DownloadConfig(allow_private=True, retries=0)
        if (name, field, value) == ("urls", "rank", "embedding"):  # images are fetched to be ranked
            server = bench.stack.enter_context(ImageServer())
            links = [server.url(f"ok/{at}.jpg") for at in range(len(CAPTIONS))]
            pd.DataFrame({"url": links, "caption": CAPTIONS}).to_csv(source / "list.csv", index=False)
        opened = open_backend(
            config,
            WordEncoder(),
            download=download,
            work=bench.folder / "work",
            pool=source if kind == "demo" else None,
        )
        answers = [one for answer in opened.search(QUERIES) for one in answer]
        assert answers
        assert backend_settings(config).model_dump()[field] == value
        return value, [(one.url, one.item) for one in answers]

    return ask


def hyper_parameter(name: str, field: str) -> Callable[[Any, Bench], Any]:
    def fit(value: Any, bench: Bench) -> Any:
        method = METHODS[name](**{**HYPER_PARAMETERS.get(name, {}), field: value})
        rows = logits(method, evidence(), images())
        assert torch.isfinite(rows).all()
        return rows.tolist()

    return fit


EXERCISES: dict[tuple[str, str], Callable[[Any, Bench], Any]] = {
    ("EncoderConfig", "precision"): precision,
    ("PromptsConfig", "images"): sentences("images"),
    ("PromptsConfig", "classify"): sentences("classify"),
    ("LanguageModelConfig", "backend"): language_model,
    ("CurationConfig", "duplicate_rule"): duplicate_rule,
    ("CurationConfig", "balance"): balance,
    ("GenerationConfig", "dtype"): dtype,
    ("ProfileConfig", "tuning"): tuning,
    ("ExperimentData", "shots_from"): experiment(data=["shots_from"], settings=[]),
    ("ExperimentConfig", "tuning"): experiment(data=[], settings=["tuning"]),
    **{
        (kind.__name__, field): backend(name, field)
        for name, kind in BACKENDS.items()
        for group, field in of_models(kind)
        if group == kind.__name__
    },
    **{of: hyper_parameter(*of) for of in of_methods()},
}
"""(Group, setting) -> what carries one of its values out and returns what came of it. New backends and methods are found."""

ELSEWHERE = {
    ("predict", "form"): "tests/bundle/test_bundle.py",
    ("predict", "runtime"): "tests/classifier/conftest.py",
    ("serve", "runtime"): "tests/classifier/conftest.py",
    ("generalise", "split"): "tests/classifier/test_generalise.py",
    ("export", "form"): "docs/index.md",
    ("export", "quantize"): "tests/bundle/test_quantise.py",
}
"""Option -> the test of a command's every value, or the page whose commands are run."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An empty folder, and servers that end with the test."""
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SUSX_CONTACT", "ada@example.org")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with ExitStack() as stack:
        yield Bench(tmp_path, stack, lambda: request.getfixturevalue("random_model"))


@pytest.mark.parametrize(("group", "setting"), SETTINGS, ids=str)
def test_every_value_is_carried_out(group: str, setting: str, bench: Bench) -> None:
    """Each by itself, and each has another effect than the others."""
    exercise = EXERCISES.get((group, setting))
    assert exercise is not None, (
        f"nothing here carries out the values of {group}.{setting}: add it to EXERCISES"
    )
    effects = []
    for number, value in enumerate(SETTINGS[group, setting]):
        own = dataclasses.replace(bench, folder=bench.folder / str(number))
        own.folder.mkdir()
        effects.append(exercise(value, own))
    assert all(one not in effects[:at] for at, one in enumerate(effects)), effects


def test_the_settings_that_are_known_are_looked_at() -> None:
    """Of every kind, so that an empty list does not pass."""
    assert {
        ("EncoderConfig", "precision"),
        ("tip_x", "weighting"),
        ("UrlsSettings", "rank"),
    } <= SETTINGS.keys()
    assert EXERCISES.keys() <= SETTINGS.keys()
    assert len(SETTINGS) > 30


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=str)
def test_every_value_of_an_option_is_given_to_its_command(command: str, option: str) -> None:
    """In the test, or on the page whose commands are run, that is named for it."""
    where = ELSEWHERE.get((command, option))
    assert where is not None, (
        f"nothing says where the values of susx {command}, {option}, are run: add it to ELSEWHERE"
    )
    text = (ROOT / where).read_text(encoding="utf-8")
    missing = [
        value for value in OPTIONS[command, option] if not re.search(rf'["\s`]{re.escape(value)}["\s`]', text)
    ]
    assert not missing, f"{where} runs no {missing}"


def test_options_are_found() -> None:
    """Those that are there today."""
    assert ELSEWHERE.keys() == OPTIONS.keys()
