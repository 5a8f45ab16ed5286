"""``susx sources``: where images can be retrieved from, and whether each can be reached now."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from susx.config import RetrievalConfig
    from susx.images.retrieve.backends import BackendSettings

__all__ = ["sources"]


def sources(
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="source.key=value, as retrieval.source.key of a profile; repeatable."),
    ] = None,
    ask: Annotated[bool, typer.Option(help="Look whether each can be reached.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the sources of images: reachable, key, licence, what each delivers, requests left."""
    rows = _rows(settings or [], ask)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    heads = ("source", "reachable", "key", "licence", "delivers", "requests left")
    shown = [head for head in heads if head != "reachable"]
    widths = [max([len(head), *(len(row[head]) for row in rows if head in shown)]) for head in heads]
    widths[1] = max(len(heads[1]), 14)
    typer.echo("  ".join(f"{head:<{width}}" for head, width in zip(heads, widths, strict=True)).rstrip())
    for row in rows:
        cells = {
            **row,
            "reachable": row["reachable"] if len(row["reachable"]) <= widths[1] else "no, see below",
        }
        typer.echo(
            "  ".join(f"{cells[head]:<{width}}" for head, width in zip(heads, widths, strict=True)).rstrip()
        )
    for row in rows:
        if len(row["reachable"]) > widths[1]:
            typer.echo(f"{row['source']}: {row['reachable']}")


def _rows(settings: list[str], ask: bool) -> list[dict[str, str]]:
    from susx.images.retrieve.backends import backend_settings, known_backends

    chosen = _chosen(settings)
    kinds = {name: kind.about for name, kind in known_backends().items() if kind.about is not None}
    configured = {name: backend_settings(chosen[name]) for name in kinds}
    with ThreadPoolExecutor(len(kinds)) as pool:
        reached = dict(
            zip(kinds, pool.map(_reached if ask else _not_asked, configured.values()), strict=True)
        )
    return [
        {
            "source": name, "reachable": reached[name], "key": about.key, "licence": about.licence, "delivers": about.gives,
            "requests left": configured[name].left() or "no limit",
        }
        for name, about in kinds.items()
    ]  # fmt: skip


def _chosen(settings: list[str]) -> dict[str, RetrievalConfig]:
    """Return the section ``retrieval`` of each source.

    Raises:
        ConfigError: a setting is of no source.
    """
    from susx.config import RetrievalConfig
    from susx.config.yaml_text import parse_yaml
    from susx.errors import ConfigError, did_you_mean
    from susx.images.retrieve.backends import known_backends
    from susx.images.retrieve.backends.auto import AutoSettings

    sections: dict[str, dict[str, object]] = {name: {} for name in known_backends()}
    for setting in settings:
        key, sign, value = setting.partition("=")
        source, dot, inner = key.strip().partition(".")
        if not sign or not dot or source not in sections:
            raise ConfigError(
                f"--set takes source.key=value (for instance lance.data=my.lance), found '{setting}'.{did_you_mean(source, sections)}"
            )
        sections[source][inner] = parse_yaml(value, f"--set {key}")
    return {
        name: RetrievalConfig.model_validate(
            {**AutoSettings.defaults.get(name, {}), **section, "backend": name}
        )
        for name, section in sections.items()
    }


def _reached(settings: BackendSettings) -> str:
    from susx.errors import ConfigError, SusxError

    try:
        problem = settings.reach()
    except ConfigError as error:
        return "not set up" if "needs retrieval." in str(error) else str(error)
    except SusxError as error:
        return f"no: {error}"
    return f"no: it {problem}" if problem else "yes"


def _not_asked(settings: BackendSettings) -> str:
    return "not asked"
