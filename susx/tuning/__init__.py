"""How hyper-parameters are chosen: ``fixed``, ``support`` (K-fold over the support set) or ``val``."""

from susx.tuning.result import PROTOCOLS, Protocol, TuningResult
from susx.tuning.tune import tune

__all__ = ["PROTOCOLS", "Protocol", "TuningResult", "tune"]
