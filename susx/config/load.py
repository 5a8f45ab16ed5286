"""Reading YAML into configuration, with errors that name the file, the line and the nearest known key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from susx.config.dataset import DatasetConfig
from susx.config.experiment import ExperimentConfig
from susx.config.folders import find_config
from susx.config.profile import ProfileConfig, RetrievalConfig
from susx.config.yaml_text import parse_yaml
from susx.errors import ConfigError, did_you_mean
from susx.text_file import read_text

__all__ = ["load_dataset", "load_experiment", "load_profile"]

M = TypeVar("M", bound=BaseModel)


def load_dataset(name: str) -> DatasetConfig:
    """Read a data set given by name (:func:`susx.config.folders.config_folders`) or by the path of a YAML.

    Raises:
        ConfigError: unknown name, unreadable YAML, unknown key (with its line), bad class names.
    """
    path = find_config("datasets", name)
    config = _read(path, DatasetConfig, {})
    files = {"cupl": config.cupl, "descriptors": config.descriptors, "examples": config.examples}
    relative = {key: file for key, file in files.items() if file and not Path(file).is_absolute()}
    return config.model_copy(
        update={key: str((path.parent / file).resolve()) for key, file in relative.items()}
    )


def load_experiment(path: Path) -> ExperimentConfig:
    """Read an experiment; the paths of its data sets become absolute, from the folder of the YAML.

    Raises:
        ConfigError: no such file, unreadable YAML, an unknown key (with its line), a data set named twice.
    """
    if not path.is_file():
        raise ConfigError(f"There is no file '{path}'. Give the YAML of an experiment.")
    config = _read(path, ExperimentConfig, {})
    folder = path.absolute().parent
    datasets = {}
    for name, data in config.datasets.items():
        paths = {key: getattr(data, key) for key in ("features", "images", "text", "pool")}
        whole = {key: str((folder / value).resolve()) for key, value in paths.items() if value is not None}
        datasets[name] = data.model_copy(update=whole)
    return config.model_copy(update={"datasets": datasets})


def load_profile(
    name: str, settings: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> ProfileConfig:
    """Read a profile and apply ``key=value`` settings with dotted keys, then typed overrides.

    Raises:
        ConfigError: unknown profile, key or value.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign or not key:
            raise ConfigError(
                f"--set takes key=value (for instance methods.tip_x.alpha=2), found '{setting}'."
            )
        dotted = key.strip()
        if (lost := _lost(dotted, changes)) is not None:
            again = "is given twice" if lost == dotted else f"leaves nothing of --set {lost} before it"
            raise ConfigError(f"--set {dotted} {again}; give one of the two.")
        changes[dotted] = parse_yaml(value, f"--set {key}") if value.strip() else ""
    for dotted, override in (overrides or {}).items():
        if changes.get(dotted, override) != override:
            raise ConfigError(
                f"--set {dotted} and the option of its own say two values ({changes[dotted]} and {override}); give one of the two."
            )
        changes[dotted] = override
    return _read(find_config("profiles", name), ProfileConfig, changes)


def _lost(name: str, before: Iterable[str]) -> str | None:
    """Return the setting before that a value for ``name`` writes over, None where there is none."""
    return next((earlier for earlier in before if earlier == name or earlier.startswith(f"{name}.")), None)


def _read(path: Path, model: type[M], changes: Mapping[str, Any]) -> M:
    text = read_text(path)
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of keys to values, found {type(data).__name__}.")
    if model is ProfileConfig:
        _leave_other_backend(data, changes)
    for key, value in changes.items():
        _set(data, key.split("."), value, key)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error, path, text, model, changes)) from error


def _leave_other_backend(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Where a setting chooses another backend, drop what the profile says of its own: a URL means nothing to a folder."""
    section, chosen = data.get("retrieval"), changes.get("retrieval.backend")
    if isinstance(section, dict) and chosen not in (None, section.get("backend")):
        data["retrieval"] = {k: v for k, v in section.items() if k in RetrievalConfig.model_fields}


def _set(data: dict[str, Any], keys: list[str], value: Any, whole: str) -> None:
    for key in keys[:-1]:
        if data.get(key) is None:
            data[key] = {}
        data = data[key]
        if not isinstance(data, dict):
            raise ConfigError(f"--set {whole}: '{key}' is a value, not a group of settings.")
    data[keys[-1]] = value


def _explain(
    error: ValidationError, path: Path, text: str, model: type[BaseModel], changes: Mapping[str, Any]
) -> str:
    parts = []
    for item in error.errors()[:3]:
        loc = [str(part) for part in item["loc"]]
        dotted = ".".join(loc) or "file"
        line = _line(text, loc)
        # An unknown group is reported by its own name, though the setting named a key below it.
        below = [] if line else [key for key in changes if key.startswith(f"{dotted}.")]
        set_by = dotted if dotted in changes else next(iter(below), None)
        where = f"--set {set_by}" if set_by else f"{path}{line}"
        if item["type"] == "extra_forbidden":
            hint = did_you_mean(loc[-1], _known_keys(model, loc[:-1]))
            parts.append(f"{where}: unknown key '{dotted}'.{hint}")
        elif item["type"] == "missing":
            parts.append(f"{where}: the key '{dotted}' is missing.")
        else:
            message = item["msg"].removeprefix("Value error, ")
            value_text = (
                "" if isinstance(item["input"], dict | list | tuple) else f" (found {item['input']!r})"
            )
            named = "" if dotted in changes else f" {dotted}:"
            parts.append(f"{where}:{named} {message}{value_text}.")
    return " ".join(parts)


def _known_keys(model: type[BaseModel], loc: Iterable[str]) -> list[str]:
    current: Any = model
    for part in loc:
        field = getattr(current, "model_fields", {}).get(part)
        annotation = getattr(field, "annotation", None)
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(getattr(current, "model_fields", {}))


def _line(text: str, loc: Sequence[str]) -> str:
    node = yaml.compose(text)
    line: int | None = None
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == part:
                line, node = key.start_mark.line + 1, value
                break
    return f", line {line}" if line else ""
