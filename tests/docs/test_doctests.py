"""The examples in docstrings are run: a wrong one fails here."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

import susx

ROOT = Path(susx.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8"))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_examples_say_what_happens(file: Path) -> None:
    """Every example of the module gives the output written below it."""
    name = ".".join(("susx", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=FLAGS, extraglobs={"torch": torch, "np": np}, verbose=False)
    assert found.attempted
    assert not found.failed


def test_there_are_examples() -> None:
    """The search above finds them."""
    assert len(FILES) > 20
