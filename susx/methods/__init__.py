"""Classifiers behind one interface: frozen hyper-parameters, ``fit`` on evidence, row-wise ``logits``."""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.methods.ape import Ape
    from susx.methods.axis import Axis
    from susx.methods.base import Method, Need, Run, TextState, parameters
    from susx.methods.calip import Calip
    from susx.methods.clip_adapter import ClipAdapter
    from susx.methods.cocoop import CoCoOp
    from susx.methods.coop import CoOp
    from susx.methods.dmn import Dmn
    from susx.methods.ecalp import Ecalp
    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.methods.folder_prototypes import FolderPrototypes
    from susx.methods.gda import Gda
    from susx.methods.linear_head import LinearHead
    from susx.methods.linear_probe import LinearProbe
    from susx.methods.meta_adapter import MetaAdapter
    from susx.methods.mta import Mta
    from susx.methods.proker import Proker
    from susx.methods.registry import METHODS, REFERENCE, find_method, known_methods
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

__all__ = [
    "METHODS",
    "REFERENCE",
    "Ape",
    "Axis",
    "Calip",
    "ClipAdapter",
    "CoCoOp",
    "CoOp",
    "Dmn",
    "Ecalp",
    "Evidence",
    "FolderPrototypes",
    "Gda",
    "ImageFeatures",
    "LinearHead",
    "LinearProbe",
    "MetaAdapter",
    "Method",
    "Mta",
    "Need",
    "Proker",
    "Run",
    "Sinkhorn",
    "StatA",
    "Tda",
    "TextState",
    "TipAdapter",
    "TipAdapterF",
    "TipAdapterPP",
    "TipX",
    "TipXPP",
    "TipXPublished",
    "TransClip",
    "WhitenedPrototypes",
    "ZeroShot",
    "Zlap",
    "find_method",
    "known_methods",
    "parameters",
]

_PLACES = {
    "ape": ("Ape",),
    "axis": ("Axis",),
    "base": (
        "Method",
        "Need",
        "Run",
        "TextState",
        "parameters",
    ),
    "calip": ("Calip",),
    "clip_adapter": ("ClipAdapter",),
    "cocoop": ("CoCoOp",),
    "coop": ("CoOp",),
    "dmn": ("Dmn",),
    "ecalp": ("Ecalp",),
    "evidence": (
        "Evidence",
        "ImageFeatures",
    ),
    "folder_prototypes": ("FolderPrototypes",),
    "gda": ("Gda",),
    "linear_head": ("LinearHead",),
    "linear_probe": ("LinearProbe",),
    "meta_adapter": ("MetaAdapter",),
    "mta": ("Mta",),
    "proker": ("Proker",),
    "registry": (
        "METHODS",
        "REFERENCE",
        "find_method",
        "known_methods",
    ),
    "sinkhorn": ("Sinkhorn",),
    "stata": ("StatA",),
    "tda": ("Tda",),
    "tip_adapter": ("TipAdapter",),
    "tip_adapter_f": ("TipAdapterF",),
    "tip_adapter_pp": ("TipAdapterPP",),
    "tip_x": ("TipX",),
    "tip_x_pp": ("TipXPP",),
    "tip_x_published": ("TipXPublished",),
    "transclip": ("TransClip",),
    "whitened_prototypes": ("WhitenedPrototypes",),
    "zero_shot": ("ZeroShot",),
    "zlap": ("Zlap",),
}

# A folder is labelled from a bundle by functions of this package where there is no torch.
__getattr__ = lazily(__name__, _PLACES)
