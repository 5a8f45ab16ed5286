"""The options of a build, declared once: the command line, ``susx status``, the Prefect flows and the sweep take them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_args, get_type_hints

__all__ = ["BuildOptions", "Option", "build_options", "with_parameters"]

STORE = "susx-store"


@dataclass(frozen=True)
class Option:
    """What people are told of an option.

    Attributes:
        help: one sentence.
        flag: on the command line, where it is not the field's name.
        variable: environment variable that stands in for it.
        choices: the values it may have; none: any.
        least: smallest number.
    """

    help: str
    flag: str | None = None
    variable: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None


@dataclass(frozen=True)
class BuildOptions:
    """What a person asks a build for; None leaves the profile's value."""

    dataset: Annotated[str, Option("Name in configs/datasets/, or the path of a YAML.")] = ""
    mode: Annotated[
        str,
        Option(
            "Where support images come from: retrieve, generate, or both joined by a comma.",
            choices=("retrieve", "generate", "generate,retrieve", "retrieve,generate"),
        ),
    ] = "retrieve"
    profile: Annotated[str, Option("Name in configs/profiles/, or the path of a YAML.")] = "demo"
    source: Annotated[
        str | None,
        Option(
            "Where images are retrieved from (susx sources lists them); of several, joined by commas, the next is asked for what the former could "
            "not fill; the profile's own when not given."
        ),
    ] = None
    licence: Annotated[
        str | None,
        Option(
            "Licences of retrieved images that are admitted, joined by commas: cc0, pdm, by, by-sa ...; all when not given."
        ),
    ] = None
    prompts: Annotated[
        str | None,
        Option(
            "Sentences for images and for the text classifier: photo, ensemble or cupl; the profile's own when not given.",
            choices=("photo", "ensemble", "cupl"),
        ),
    ] = None
    per_class: Annotated[int | None, Option("Support images per class.", least=1)] = None
    store: Annotated[
        str, Option("Folder of the artefact store, or s3://bucket/prefix.", variable="SUSX_STORE")
    ] = STORE
    data_root: Annotated[
        str | None, Option("Folder that holds the target's images.", variable="SUSX_DATA_ROOT")
    ] = None
    seed: Annotated[int | None, Option("Root seed.", least=0)] = None
    settings: Annotated[
        tuple[str, ...], Option("key=value with a dotted key of the profile; repeatable.", flag="--set")
    ] = ()
    evaluate: Annotated[bool, Option("Measure on the target's test split where it is there.")] = True
    from_labels: Annotated[
        str | None,
        Option(
            "Folder that susx label wrote: its images are the support, and its classes those of the data set."
        ),
    ] = None

    def command(self) -> str:
        """Return the command line that asks for the same."""
        command = ["python", "-m", "susx.flows.build"]
        for name, _, option, default in build_options():
            value, flag = getattr(self, name), option.flag or "--" + name.replace("_", "-")
            if name == "data_root" and not self.evaluate:
                continue  # from the environment; the command refuses it where nothing is measured
            if isinstance(value, bool):
                command += [] if value == default else [flag if value else "--no-" + flag[2:]]
            elif isinstance(value, tuple):
                command += [word for item in value for word in (flag, item)]
            elif value != default or name in ("mode", "profile"):
                command += [flag, str(value)]
        return shlex.join(command)


def build_options() -> list[tuple[str, Any, Option, Any]]:
    """Return name, type, option and default (``inspect.Parameter.empty`` without one) of every option."""
    hints = get_type_hints(BuildOptions, include_extras=True)
    return [
        (
            field.name,
            *get_args(hints[field.name])[:2],
            inspect.Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(BuildOptions)
    ]  # type: ignore[return-value]


def with_parameters(
    parameters: Iterable[inspect.Parameter],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function that takes ``**options`` show these parameters in place of them, before its own."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function, eval_str=True)
        kept = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        shown = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*parameters, *kept)]
        changed: Any = function
        changed.__signature__ = signature.replace(parameters=shown)
        changed.__annotations__ = {p.name: p.annotation for p in shown} | {
            "return": signature.return_annotation
        }
        return function

    return change
