"""Where torch computes, asked for in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import susx
from susx.device import find_device
from susx.errors import ModelError


def test_auto_is_the_gpu_where_there_is_one():
    """Else the CPU; what is named is taken as it is."""
    assert find_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert find_device("cpu") == "cpu"


def test_what_is_no_device_is_refused():
    """A word that is none, and a kind that this machine does not have."""
    with pytest.raises(ModelError, match="'gpu' is not a device: expected auto"):
        find_device("gpu")
    for kind, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not there:
            with pytest.raises(ModelError, match=f"'{kind}' was asked for"):
                find_device(kind)


def test_auto_is_understood_in_one_place():
    """No other module compares a device with "auto"."""
    others = []
    for path in Path(susx.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Compare)
                and "device" in ast.unparse(node)
                and "'auto'" in ast.unparse(node)
            ):
                others.append(path.name)
    assert others in ([], ["device.py"])
