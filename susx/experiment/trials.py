"""Which methods run under which protocols, and which of them is the product: one rule for builds and feature files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from susx.errors import ConfigError
from susx.methods.base import AdapterFile, Method, Need
from susx.methods.registry import DEFAULTS, REFERENCE, find_method

__all__ = [
    "NAME_ONLY",
    "Trial",
    "adapters_of",
    "asks_pool",
    "choose_headline",
    "method_of",
    "needs_of",
    "trials_of",
]

NAME_ONLY = ("fixed", "support")
"""Protocols that use no labelled image of the target, the headline's preference first: ``support`` judges images by labels
that were made from the prompts, and has lost against zero-shot where a pool lacked the classes."""


@dataclass(frozen=True)
class Trial:
    """A method with its fixed hyper-parameters, under a tuning protocol."""

    method: Method[Any]
    tuning: str

    @property
    def name(self) -> str:
        """``method/tuning``, as a headline is named."""
        return f"{self.method.name}/{self.tuning}"


def trials_of(
    methods: Mapping[str, Mapping[str, Any]], tuning: Sequence[str], *, validation: bool
) -> tuple[Trial, ...]:
    """Return every method under every protocol that applies; the reference comes first, asked for or not.

    Args:
        methods: name -> hyper-parameters, as a profile lists them; the registry's defaults when empty.
        tuning: protocols. A method without axes has ``fixed`` alone.
        validation: whether there are labelled validation images; without, ``val`` is left out.

    Raises:
        ConfigError: an unknown method, a hyper-parameter it does not have, a value outside its domain.
    """
    trials = []
    methods = methods or {name: {} for name in DEFAULTS}
    for name in dict.fromkeys([REFERENCE, *methods]):
        method = method_of(name, methods.get(name) or {})
        protocols = [p for p in tuning if validation or p != "val"] if method.axes else ["fixed"]
        trials += [Trial(method, protocol) for protocol in protocols]
    return tuple(trials)


def method_of(name: str, values: Mapping[str, Any]) -> Method[Any]:
    """Return a method with hyper-parameters.

    Raises:
        ConfigError: there is none of this name, or it does not take them.
    """
    kind = find_method(name)
    try:
        return kind(**values)
    except TypeError as error:
        fields = ", ".join(getattr(kind, "__dataclass_fields__", {})) or "none"
        raise ConfigError(
            f"{name} does not take the hyper-parameters {', '.join(values)}: it has {fields}. Correct the profile's methods."
        ) from error


def choose_headline(trials: Sequence[Trial], asked: str = "") -> Trial:
    """Return the trial that is packaged and shown first.

    Args:
        trials: what is fitted.
        asked: ``method/tuning``, or a method (its name-only protocol is taken), or "" for the last method listed.

    Raises:
        ConfigError: what was asked for is not among what is fitted.
    """
    if not asked:
        return _name_only([t for t in trials if t.method.name == trials[-1].method.name])
    fitting = [t for t in trials if asked in (t.name, t.method.name)]
    if not fitting:
        raise ConfigError(
            f"The headline '{asked}' is not among what is fitted: {', '.join(t.name for t in trials)}. Choose one of these, "
            "or add the method or protocol to the profile. (A protocol 'val' needs labelled validation images.)"
        )
    return _name_only(fitting)


def _name_only(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the first name-only protocol, else whatever there is."""
    order = {protocol: rank for rank, protocol in enumerate(NAME_ONLY)}
    return min(trials, key=lambda trial: order.get(trial.tuning, len(order)))


def adapters_of(trials: Iterable[Trial]) -> AdapterFile | None:
    """Return the adapters that all images are encoded with beside the encoder itself, None where no method asks for some.

    Raises:
        ConfigError: a method names none, or two methods name different ones.
    """
    named = {trial.method.name: file for trial in trials if (file := trial.method.adapter_file())}
    by_digest = {file.digest: file for file in named.values()}
    if len(by_digest) > 1:
        told = ", ".join(f"{method}: {file.path} ({file.digest[:12]})" for method, file in named.items())
        raise ConfigError(
            f"The methods of one build name different adapters ({told}), and its images are encoded with one. Name one file for all."
        )
    return next(iter(by_digest.values()), None)


def asks_pool(trial: Trial, retrieved: bool) -> bool:
    """Return whether a fit looks at statistics of the pool: where its method needs them, and where it reads them and there are some.

    Args:
        retrieved: whether images are chosen from a pool. Images that were drawn came from none, and where validation
            images judge nobody asks what it says of them.
    """
    reads = trial.method.reads if retrieved and trial.tuning != "val" else frozenset()
    return Need.POOL in trial.method.needs | reads


def needs_of(trials: Iterable[Trial]) -> frozenset[Need]:
    """Return what all methods need together: a build computes that and no more."""
    return frozenset().union(*(trial.method.needs for trial in trials))
