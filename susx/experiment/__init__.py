"""Experiments: which methods under which tuning protocols, measured on evidence, one row with an interval each."""

from susx.experiment.trials import (
    Trial,
    adapters_of,
    asks_pool,
    choose_headline,
    needs_of,
    trials_of,
)

__all__ = ["Trial", "adapters_of", "asks_pool", "choose_headline", "needs_of", "trials_of"]
