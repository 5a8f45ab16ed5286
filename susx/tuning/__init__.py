"""How hyper-parameters are chosen: ``fixed``, ``support`` (K-fold over the support set) or ``val``."""

from susx.tuning.tune import tune
from susx.tuning.tuning_result import PROTOCOLS, Protocol, TuningResult

__all__ = ["PROTOCOLS", "Protocol", "TuningResult", "tune"]
