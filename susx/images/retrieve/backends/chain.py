"""Several sources in their order: the next is asked for what the former could not fill.

A source that cannot be used now is left out for the whole build, with a word of warning; only where none can be used the search fails.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, field_validator

from susx.config import RetrievalConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError, SusxError, did_you_mean
from susx.images.retrieve.backends.backend import Backend, BackendSettings, Delivers, Opening
from susx.images.retrieve.candidates import Candidate
from susx.images.retrieve.licences import refuse_other_licences
from susx.images.retrieve.queries import Query
from susx.types import Json

__all__ = ["ChainBackend", "ChainSettings"]

logger = logging.getLogger(__name__)


class ChainSettings(BackendSettings):
    """Several sources; what is said of one stands below its name (``retrieval.lance.data``)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS})
    public: ClassVar[bool] = True

    joins: ClassVar[bool] = False
    passed_over: ClassVar[tuple[type[SusxError], ...]] = (RetrievalError,)
    """What leaves a source out; all else ends the build."""
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Source -> settings that hold where nothing is said."""

    backend: Literal["chain", "auto"] = "chain"
    sources: tuple[str, ...] = ()
    """Their names, the first one first."""

    @field_validator("sources", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @cached_property
    def links(self) -> Mapping[str, BackendSettings]:
        """Source -> its settings, in their order.

        Raises:
            ConfigError: there are none, one is unknown or cannot be one of several, or a setting is not right.
        """
        from susx.images.retrieve.backends.backend_registry import backend_settings, known_backends

        joining = [name for name, kind in known_backends().items() if kind.joins]
        if not self.sources:
            raise ConfigError(
                f"The backend '{self.backend}' needs retrieval.sources, some of {', '.join(joining)}."
            )
        for name in self.sources:
            if name not in joining:
                raise ConfigError(
                    f"retrieval.sources: '{name}' cannot be one of several.{did_you_mean(name, joining)}"
                )
        extra = self.model_extra or {}
        common = {"over_fetch": self.over_fetch, "licence": list(self.licence)}
        return {
            name: backend_settings(
                RetrievalConfig.model_validate(
                    {**common, **self.defaults.get(name, {}), **extra.get(name, {}), "backend": name}
                )
            )
            for name in self.sources
        }

    @property
    def links_alone(self) -> bool:
        """Those of the source that is asked first."""
        return next(iter(self.links.values())).links_alone

    def check(self) -> None:
        """See :meth:`BackendSettings.check`."""
        for name, setting in (self.model_extra or {}).items():
            if name not in self.sources or not isinstance(setting, dict):
                raise ConfigError(
                    f"unknown key 'retrieval.{name}' of the backend '{self.backend}': what is said of a source stands below its name "
                    f"(retrieval.SOURCE.KEY=VALUE).{did_you_mean(name, self.sources) if self.sources else ''}"
                )
        if self.sources:
            _ = self.links

    def identity(self, encoder: EncoderId) -> Json:
        """Return those of its sources; of one that cannot be reached now, that it cannot: another time it is asked."""
        identities: list[Json] = []
        for name, settings in self.links.items():
            try:
                identities.append(settings.identity(encoder))
            except self.passed_over as error:
                logger.warning("%s is left out: %s", name, error)
                identities.append({"backend": name, "reached": False})
        return {"backend": self.backend, "sources": identities}

    def open(self, opening: Opening) -> Backend:
        """Name the sources; each is opened when it is first asked."""
        return ChainBackend(self.links, opening, self.passed_over)


class ChainBackend:
    """Sources in their order.

    Attributes:
        left_out: source -> why it is not asked.
    """

    def __init__(
        self, links: Mapping[str, BackendSettings], opening: Opening,
        passed_over: tuple[type[SusxError], ...] = (RetrievalError,),
    ) -> None:  # fmt: skip
        self.links, self.opening, self.passed_over = links, opening, passed_over
        self.left_out: dict[str, str] = {}
        self._opened: dict[str, Backend] = {}

    def search(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """See :class:`susx.images.retrieve.backends.Backend`; candidates that a licence refuses fill nothing.

        Raises:
            RetrievalError: none of the sources can be used.
            ConfigError, MismatchError: one is not set up.
        """
        results: list[list[Candidate]] = [[] for _ in queries]
        for name, settings in self.links.items():
            missing = [
                query.wanted - sum(query.admits(one.caption) and not one.refused for one in of_query)
                for query, of_query in zip(queries, results, strict=True)
            ]
            places = [at for at, number in enumerate(missing) if number > 0]
            if not places:
                break
            asked = [dataclasses.replace(queries[at], wanted=missing[at]) for at in places]
            answered = self._ask(name, settings, asked)
            for at, of_query in zip(places, answered, strict=True):
                seen = {one.url or one.item for one in results[at]}
                results[at] += refuse_other_licences(
                    (one for one in of_query if (one.url or one.item) not in seen), settings.licence
                )
        if len(self.left_out) == len(self.links):
            raise RetrievalError("None of the sources can be used. " + " ".join(self.left_out.values()))
        return results

    def _ask(self, name: str, settings: BackendSettings, queries: Sequence[Query]) -> list[list[Candidate]]:
        nothing: list[list[Candidate]] = [[] for _ in queries]
        if name in self.left_out:
            return nothing
        try:
            if name not in self._opened:
                self._opened[name] = settings.open(self.opening)
            return self._opened[name].search(queries)
        except self.passed_over as error:
            logger.warning("%s is left out: %s", name, error)
            self.left_out[name] = str(error)
            return nothing
