"""Training-free classifiers behind one interface: frozen hyper-parameters, ``fit``, row-wise ``logits``."""

from susx.methods.base import Method, Need
from susx.methods.calip import Calip
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.registry import METHODS
from susx.methods.state import load_fitted, save_fitted, state_from_tensors, state_to_tensors
from susx.methods.tip_adapter import TipAdapter
from susx.methods.tip_x import TipX
from susx.methods.zero_shot import ZeroShot

__all__ = [
    "METHODS",
    "Calip",
    "Evidence",
    "ImageFeatures",
    "Method",
    "Need",
    "TipAdapter",
    "TipX",
    "ZeroShot",
    "load_fitted",
    "save_fitted",
    "state_from_tensors",
    "state_to_tensors",
]
