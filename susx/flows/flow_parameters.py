"""The options of a build as parameters of a flow, for Prefect's forms and checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal

from pydantic import Field

from susx.pipeline.options import build_options, with_parameters

__all__ = ["takes_build_options"]


def takes_build_options(
    *, without: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function that takes ``**options`` show one parameter per option of a build, but those named.

    Prefect describes a parameter by its line in the docstring: those lines are written too.
    """
    parameters, lines = [], []
    for name, kind, option, default in build_options():
        if name in without:
            continue
        what: Any = kind
        if option.choices:
            what = Literal[option.choices]
            what = what if default is not None else what | None
        elif isinstance(default, tuple):
            what, default = list[str], list(default)
        annotation = Annotated[what, Field(ge=option.least)] if option.least is not None else what
        kinds = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kinds, default=default, annotation=annotation))
        lines.append(f"    {name}: {option.help}")

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        documented = inspect.cleandoc(
            function.__doc__ or ""
        ).splitlines()  # Python 3.13 does so while it compiles
        at = next(i for i, line in enumerate(documented) if line.strip().startswith("options:"))
        documented[at : at + 1] = lines
        function.__doc__ = "\n".join(documented)
        return with_parameters(parameters)(function)

    return change
