"""``susx prompts``: have a language model write sentences about classes, and look at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from susx.commands.endings import ends_in

if TYPE_CHECKING:
    from susx.config import DatasetConfig

__all__ = ["app"]

app = typer.Typer(
    name="prompts", help="Sentences about classes: show them, have them written.", no_args_is_help=True
)

Dataset = Annotated[str, typer.Option("--dataset", help="Name or YAML of the data set.")]


@app.command()
def write(
    dataset: Dataset,
    profile: Annotated[str, typer.Option("--profile", help="Profile that names the language model.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="YAML to fill; default: the data set's own file.",
            callback=ends_in(".yaml", ".yml"),
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask anew for classes that are there or edited.")
    ] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the profile.")] = None,
) -> None:
    """Have a language model write sentences for every class that has none yet."""
    from susx.config import LanguageModelConfig, load_dataset, load_profile
    from susx.naming.write_sentences import write_sentences

    data = load_dataset(dataset)
    model = load_profile(profile, settings or ()).prompts.language_model or LanguageModelConfig()
    _check_classes(only or (), data)
    target = out or Path(data.cupl or f"{data.name}-sentences.yaml")
    report = write_sentences(
        model, data, target, classes=only, again=again, progress=lambda name: typer.echo(f"wrote {name}")
    )
    typer.echo(
        f"{target}: {len(report.written)} classes written, {len(report.cached)} were there,"
        f" {len(report.edited)} edited by hand and kept; {report.flagged} sentences do not name their class (see"
        f" 'flagged' in the file), {report.dropped} dropped."
    )
    if data.cupl is None or Path(data.cupl) != target:
        typer.echo(f"To use them, set 'cupl: {target}' in the YAML of '{data.name}' (relative to that file).")


@app.command()
def show(
    dataset: Dataset,
    images: Annotated[str, typer.Option("--images", help="photo or cupl.")] = "photo",
    classify: Annotated[
        str, typer.Option("--classify", help="single, ensemble, cupl, cupl+ensemble ...")
    ] = "ensemble",
    only: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")
    ] = None,
) -> None:
    """Show the sentences that images are drawn or searched with, and those that classify."""
    from pydantic import ValidationError

    from susx.config import PromptsConfig, load_dataset
    from susx.errors import ConfigError
    from susx.naming import classifier_sentences, image_prompts, without_sentences

    data = load_dataset(dataset)
    _check_classes(only or (), data)
    try:
        config = PromptsConfig.model_validate({"images": images, "classify": classify})
    except ValidationError as error:
        raise ConfigError(f"--images or --classify: {error.errors()[0]['msg']}.") from error
    config, note = without_sentences(config, data)
    if note:
        typer.echo(note, err=True)
    for name in only or data.classes:
        typer.echo(name)
        for prompt in image_prompts(config, data, name):
            typer.echo(f"  image     {prompt.text}")
        for text in classifier_sentences(config, data, name):
            typer.echo(f"  classify  {text}")


def _check_classes(names: Sequence[str], dataset: DatasetConfig) -> None:
    from susx.errors import ConfigError, did_you_mean

    for name in names:
        if name not in dataset.classes:
            raise ConfigError(
                f"'{name}' is not a class of '{dataset.name}'.{did_you_mean(name, dataset.classes)}"
            )
