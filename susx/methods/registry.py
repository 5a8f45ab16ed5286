"""Every method by name: those of this package, and those that installed packages offer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from susx.errors import ConfigError, did_you_mean
from susx.methods.ape import Ape
from susx.methods.base import Method
from susx.methods.calip import Calip
from susx.methods.clip_adapter import ClipAdapter
from susx.methods.cocoop import CoCoOp
from susx.methods.coop import CoOp
from susx.methods.dmn import Dmn
from susx.methods.ecalp import Ecalp
from susx.methods.folder_prototypes import FolderPrototypes
from susx.methods.gda import Gda
from susx.methods.linear_probe import LinearProbe
from susx.methods.meta_adapter import MetaAdapter
from susx.methods.mta import Mta
from susx.methods.proker import Proker
from susx.methods.sinkhorn import Sinkhorn
from susx.methods.stata import StatA
from susx.methods.tda import Tda
from susx.methods.tip_adapter import TipAdapter
from susx.methods.tip_adapter_f import TipAdapterF
from susx.methods.tip_adapter_pp import TipAdapterPP
from susx.methods.tip_x import TipX
from susx.methods.tip_x_pp import TipXPP
from susx.methods.tip_x_published import TipXPublished
from susx.methods.transclip import TransClip
from susx.methods.whitened_prototypes import WhitenedPrototypes
from susx.methods.zero_shot import ZeroShot
from susx.methods.zlap import Zlap
from susx.offered import load_offered, offered

__all__ = ["DEFAULTS", "ENTRY_POINTS", "METHODS", "REFERENCE", "find_method", "known_methods"]

METHODS: dict[str, type[Method[Any]]] = {
    "whitened_prototypes": WhitenedPrototypes,
    "zero_shot": ZeroShot,
    "calip": Calip,
    "mta": Mta,
    "linear_probe": LinearProbe,
    "tip_adapter": TipAdapter,
    "ape": Ape,
    "gda": Gda,
    "proker": Proker,
    "tip_adapter_pp": TipAdapterPP,
    "tip_adapter_f": TipAdapterF,
    "clip_adapter": ClipAdapter,
    "coop": CoOp,
    "cocoop": CoCoOp,
    "meta_adapter": MetaAdapter,
    "tip_x": TipX,
    "tip_x_pp": TipXPP,
    "tip_x_published": TipXPublished,
    "folder_prototypes": FolderPrototypes,
    "transclip": TransClip,
    "stata": StatA,
    "zlap": Zlap,
    "sinkhorn": Sinkhorn,
    "tda": Tda,
    "dmn": Dmn,
    "ecalp": Ecalp,
}
"""Constructors by name, in the order of tables; called with hyper-parameters, or with none for the fixed ones."""

REFERENCE = "zero_shot"
"""What every method is compared with, and falls back to."""

DEFAULTS = ("zero_shot", "tip_adapter", "tip_x", "whitened_prototypes")
"""What a profile that names no methods fits; the last is its headline."""

ENTRY_POINTS = "susx.methods"
"""Group of entry points by which other packages add methods: ``name = "package.module:Class"``."""


@cache
def known_methods() -> Mapping[str, type[Method[Any]]]:
    """Return all methods by name.

    Raises:
        ConfigError: an installed package offers something that is no method, under another name, or under one that is
            taken.
    """
    methods = dict(METHODS)
    for name, entry in offered(ENTRY_POINTS, METHODS, "method").items():
        method = load_offered(entry)
        if not (isinstance(method, type) and issubclass(method, Method) and method.name == name):
            raise ConfigError(
                f"The entry point '{name}' of {ENTRY_POINTS} ({entry.value}) is no susx.methods.Method of that name. "
                "Correct or uninstall the package that offers it."
            )
        methods[name] = method
    return methods


def find_method(name: str) -> type[Method[Any]]:
    """Return a method's class.

    Raises:
        ConfigError: there is none of this name; the nearest is suggested.
    """
    methods = known_methods()
    if name not in methods:
        raise ConfigError(f"There is no method '{name}'.{did_you_mean(name, methods)}")
    return methods[name]
