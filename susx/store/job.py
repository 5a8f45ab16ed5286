"""What a stage is asked to do (:class:`Job`) and what came of it (:class:`Ref`, :class:`Outcome`).

All three are small, frozen and picklable: they travel to worker processes and into Prefect's records, images and
tensors never do.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from susx.store.fingerprint import digest_json
from susx.types import Digest, Json

__all__ = ["Job", "Outcome", "Ref"]


@dataclass(frozen=True)
class Ref:
    """A stored artefact, or one file (``part``) of it.

    Attributes:
        stage: stage that made it.
        subject: class name or other subject; "" for a whole data set.
        key: sha256 of the ingredients.
        digest: sha256 of the content (of the part, if any); "" while it is not known (only in plans).
        part: relative path of the file meant, or "" for the whole artefact.
    """

    stage: str
    subject: str
    key: str
    digest: Digest
    part: str = ""

    @property
    def known(self) -> bool:
        """Whether the content is known; a plan holds refs to artefacts that are still to be made."""
        return bool(self.digest)

    @property
    def name(self) -> str:
        """Stage and subject in one word, to be read by people and never taken apart."""
        return f"{self.stage}/{self.subject}" if self.subject else self.stage


@dataclass(frozen=True)
class Job:
    """One unit of work of one stage.

    Attributes:
        stage: name of the stage.
        version: version of the stage's code; bumping it makes its artefacts stale.
        dataset: data set it is done for. Not in the key: equal work of two data sets is shared.
        subject: class name or other subject.
        params: what changes the result. In the key.
        inputs: upstream artefacts; they enter the key by content digest.
        execution: batch size, device, paths and the like. Not in the key.
    """

    stage: str
    version: int
    dataset: str
    subject: str
    params: Mapping[str, Json] = field(default_factory=dict)
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    execution: Mapping[str, Json] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether the content of every input is known."""
        return all(ref.known for ref in self.inputs.values())

    @property
    def ingredients(self) -> Json:
        """Return what the key is made of."""
        return {
            "stage": self.stage,
            "version": self.version,
            "subject": self.subject,
            "params": dict(self.params),
            "inputs": {name: ref.digest for name, ref in self.inputs.items()},
        }

    @functools.cached_property
    def key(self) -> str:
        """The artefact's key: sha256 of the ingredients."""
        return digest_json(self.ingredients)

    def pending(self) -> Ref:
        """Return a ref to the artefact that is still to be made."""
        return Ref(self.stage, self.subject, "", "")

    def bare(self) -> Job:
        """Return the job without its execution details."""
        return replace(self, execution={})


@dataclass(frozen=True)
class Outcome:
    """What came of a job: the artefact, whether it had to be made, seconds taken, counts for people."""

    ref: Ref
    status: Literal["computed", "cached"]
    seconds: float
    counts: Mapping[str, Json] = field(default_factory=dict)
    rebuilt: str = ""
    """Why an artefact that had been there was made again ("images/3.png is missing"), else ""."""
