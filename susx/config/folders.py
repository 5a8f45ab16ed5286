"""Where descriptions of data sets and profiles are looked for: the user's folders first, then what susx ships."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_config_path

from susx.errors import ConfigError, did_you_mean

__all__ = ["config_folders", "config_names", "find_config", "shipped_configs"]

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_configs() -> Path:
    """Return the descriptions that come with susx: inside an installed package, beside it in a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def config_folders(kind: str) -> list[Path]:
    """Return the folders of ``datasets`` or ``profiles`` in the order in which they are searched, there or not.

    ``$SUSX_CONFIGS``, ``./configs``, the platform's configuration folder (on Linux ``~/.config/susx``), what susx
    ships. The first that has a name wins, so a user's file replaces a shipped one of the same name.
    """
    chosen = os.environ.get("SUSX_CONFIGS")
    roots = [
        *([Path(chosen).expanduser()] if chosen else []),
        Path("configs"),
        user_config_path("susx", appauthor=False),
        shipped_configs(),
    ]
    distinct = {root.resolve(): root for root in reversed(roots)}
    return [root / kind for root in roots if distinct[root.resolve()] is root]


def config_names(kind: str) -> list[str]:
    """Return the sorted names that :func:`find_config` knows."""
    return sorted({path.stem for folder in config_folders(kind) for path in folder.glob("*.yaml")})


def find_config(kind: str, name: str) -> Path:
    """Return the YAML of a data set or profile given by name, or by the path of a file.

    Raises:
        ConfigError: there is none. The nearest name is suggested, and the folders searched are named.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.parent != Path():
        if not path.is_file():
            raise ConfigError(
                f"There is no file '{name}' (looked for {path.absolute()}). Give a YAML file or one of: "
                f"{', '.join(config_names(kind))}."
            )
        return path
    candidates = [folder / f"{name}.yaml" for folder in config_folders(kind)]
    there = next((path for path in candidates if path.is_file()), None)
    if there is None:
        searched = ", ".join(str(path.parent.absolute()) for path in candidates)
        raise ConfigError(
            f"Unknown {kind[:-1]} '{name}'.{did_you_mean(name, config_names(kind))} Looked in {searched}. "
            f"A YAML file elsewhere is given by its path."
        )
    return there
