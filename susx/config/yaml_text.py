"""YAML that a person or a stranger wrote: no key twice, nothing nested or repeated without end, no control characters."""

from __future__ import annotations

import unicodedata
from typing import Any

import yaml

from susx.errors import ConfigError

__all__ = ["parse_yaml"]

MAX_DEPTH = 30
MAX_VALUES = 1_000_000
"""Values of a document, those behind an alias counted each time: nine lines of aliases can stand for a billion."""


def parse_yaml(text: str, where: str) -> Any:
    """Return what a YAML document says; ``where`` (a file, a flag) begins every message.

    Raises:
        ConfigError: it is no YAML, or says a key twice, or is nested deeper or longer than any configuration.
    """
    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, where, {}, 1)
        return loader.construct_document(node)
    except RecursionError as error:
        raise ConfigError(f"{where} is nested too deeply (at most {MAX_DEPTH} levels are read).") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        raise ConfigError(f"{where} is not valid YAML: {' '.join(str(error).split())[:500]}") from error
    finally:
        loader.dispose()


def _count(node: yaml.Node, where: str, counts: dict[yaml.Node, int | None], depth: int) -> int:
    """Return how many values a node stands for."""
    if node in counts:
        if (counted := counts[node]) is None:
            raise ConfigError(f"{_at(node, where)}: a value contains itself.")
        return counted
    if depth > MAX_DEPTH:
        raise ConfigError(f"{_at(node, where)}: nested too deeply (at most {MAX_DEPTH} levels are read).")
    counts[node] = None
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node, where)
        children = [child for pair in node.value for child in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    elif any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n\r\x85" for c in node.value):
        raise ConfigError(f"{_at(node, where)}: {node.value[:80]!r} holds a control character.")
    total = 1
    for child in children:
        total += _count(child, where, counts, depth + 1)
        if total > MAX_VALUES:
            raise ConfigError(f"{_at(node, where)}: its aliases stand for more than {MAX_VALUES} values.")
    counts[node] = total
    return total


def _refuse_twice(node: yaml.MappingNode, where: str) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in lines:
                first = lines[key.tag, key.value]
                raise ConfigError(
                    f"{_at(key, where)}: the key '{key.value}' is there twice (first in line {first}). Keep one."
                )
            lines[key.tag, key.value] = key.start_mark.line + 1


def _at(node: yaml.Node, where: str) -> str:
    return f"{where}, line {node.start_mark.line + 1}"
