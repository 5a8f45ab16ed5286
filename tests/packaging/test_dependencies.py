"""The declared dependencies are those that susx imports: none is missing, none is left over."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

import susx

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

SOURCE = Path(susx.__file__).parent
PROJECT = SOURCE.parent / "pyproject.toml"

NOT_IMPORTED = {
    "accelerate": "diffusers and transformers load large weights with it",
    "python-multipart": "starlette parses forms with it",
    "onnxscript": "torch exports ONNX with it",
    "s3fs": "fsspec opens s3:// with it",
    "setuptools": "clip-retrieval imports pkg_resources, which later ones lack",
    "standard-imghdr": "img2dataset imports a module that Python 3.13 has no more",
    "standard-pipes": "and so does fire below 0.6, which img2dataset and autofaiss ask for",
}
"""Declared for another library's sake -> why."""

NOT_DECLARED = {"click", "pytest", "moto"}
"""typer's own where it carries none inside; and of the fakes in susx/testing, which come with the extra dev."""


OPTIONAL = {"tomli", "wandb", "mlflow", "fiftyone"}
"""Imported where a user has them, and asked for by name where not."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    listed = [
        *project["dependencies"],
        *(one for extra in optional if extra != "dev" for one in optional[extra]),
    ]
    return {canonical(re.match(r"[\w.-]+", one)[0]) for one in listed} - {"susx"}  # an extra may hold another


def imported() -> set[str]:
    """Top-level modules that susx imports, wherever in a file, without its own and the standard library's."""
    modules = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module.split(".")[0])
    return modules - {"susx"} - set(sys.stdlib_module_names)


def test_declared_is_imported_and_imported_is_declared():
    """By the distributions that the modules come from, as they are installed here."""
    distributions = importlib.metadata.packages_distributions()
    names = declared()
    unknown, missing, used = [], [], set()
    for module in sorted(imported()):
        sources = {canonical(name) for name in distributions.get(module, ())} or {canonical(module)}
        used |= sources
        if not sources & names and module not in NOT_DECLARED:
            (missing if module in distributions else unknown).append(module)
    assert missing == []
    assert {module for module in unknown if canonical(module) not in names} <= OPTIONAL
    assert sorted(names - used - set(NOT_IMPORTED)) == []
    assert set(NOT_IMPORTED) <= names
