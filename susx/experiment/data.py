"""A data set of an experiment: its features, and the evidence that each access to them gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.evaluation.ablation import take_shots
from susx.experiment.result_rows import evidence_of, halve
from susx.features.feature_set import FeatureSet, Split
from susx.features.gather_pool import gather_pool_statistics
from susx.features.pool_search import read_pool, support_from_pool
from susx.methods import Evidence

__all__ = ["DataSet", "check_together"]


@dataclass(frozen=True)
class DataSet:
    """Features under one encoder, and what methods are given of them.

    What was made of them is kept, so that cells with the same evidence share what follows from it.

    Attributes:
        name: in rows and tables.
        features: class prompts and labelled splits.
        pool: folder with ``features.npy``, of unlabelled images.
        per_class: support images a class chosen from the pool.
        others: images of another data set, for folders with outsiders.
    """

    name: str
    features: FeatureSet
    pool: Path | None = None
    per_class: int = 16
    others: FeatureSet | None = None
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def splits(self, seed: int) -> tuple[Split | None, Split, str]:
        """Return validation images, the images measured on, and words for the latter; validation alone is halved by class.

        Raises:
            InputError: no labelled images to measure on.
        """
        validation, test = self.features.validation, self.features.test
        if test is not None:
            return validation, test, "test"
        if validation is None:
            raise InputError(
                f"{self.features.source}: neither test nor validation images to measure on. Add a labelled split."
            )
        first, second = self._once(("halves", seed), lambda: halve(validation, seed))
        return first, second, f"half of validation (seed {seed})"

    def strangers(self) -> tuple[Split, Int64[Tensor, " others"]] | None:
        """Return the other data set's images, and which of them show none of the classes here; None without one."""
        if self.others is None:
            return None
        images = self.others.test or self.others.validation
        if images is None:
            return None
        ours = {name.casefold() for name in self.features.class_names}
        strange = [at for at, name in enumerate(self.others.class_names) if name.casefold() not in ours]
        return images, torch.isin(images.labels, torch.tensor(strange)).nonzero()[:, 0]

    def support_words(self, access: Collection[str], shots: int | None) -> str:
        """Return where support images come from, for people; "-" where there are none."""
        labelled = "the folder's" if shots is None else f"{shots} shots"
        chosen = f"pool, {self.per_class} a class" if self.pool is not None else "the folder's"
        kinds = [text for entry, text in (("pool", chosen), ("shots", labelled)) if entry in access]
        return " + ".join(kinds) or "-"

    def evidence(self, access: Collection[str], shots: int | None, draw: int | None, seed: int) -> Evidence:
        """Return what a method with this access may look at, and nothing else.

        Raises:
            InputError: it is not there; more shots than a class has labelled images.
        """
        key = ("evidence", tuple(sorted(access)), shots, draw, seed)
        made: Evidence = self._once(key, lambda: self._evidence(access, shots, draw, seed))
        return made

    def most_shots(self) -> int:
        """Return the labelled support images of the class that has most; 0 where there are none."""
        support = self.features.support
        if support is None or not len(support) or not self.features.support_labelled:
            return 0
        return int(torch.bincount(support.labels).max())

    def _evidence(self, access: Collection[str], shots: int | None, draw: int | None, seed: int) -> Evidence:
        validation = self.splits(seed)[0] if "validation" in access else None
        if "validation" in access and validation is None:
            raise InputError(f"{self.name}: no labelled validation images to choose hyper-parameters on.")
        labelled = self._labelled(shots, draw, validation) if "shots" in access else None
        if "pool" not in access:
            return labelled or evidence_of(self.features, None, validation, labelled=False)
        return self._with_pool(labelled, validation)

    def _labelled(self, shots: int | None, draw: int | None, validation: Split | None) -> Evidence:
        most = self.most_shots()
        if not most:
            raise InputError(
                f"{self.name}: labelled support images were asked for, and there are none that a person labelled."
            )
        evidence = evidence_of(self.features, self.features.support, validation, labelled=True)
        if shots is None:
            return evidence
        if shots > most:
            raise InputError(
                f"{self.name}: {shots} shots asked for, and no class has more than {most} labelled support images."
            )
        return take_shots(evidence, shots, draw or 1)

    def _with_pool(self, labelled: Evidence | None, validation: Split | None) -> Evidence:
        """Return evidence with support chosen by the class names, beside what a person labelled."""
        if self.pool is None:
            support = self.features.support
            if support is None or self.features.support_labelled:
                raise InputError(
                    f"{self.name}: images chosen by class names were asked for, and there is no pool to choose them from."
                )
            chosen, statistics = support, None
        else:
            chosen, statistics = self._once("pool", self._chosen)
        evidence = evidence_of(self.features, chosen, validation, labelled=False)
        if (
            labelled is not None
            and labelled.support_features is not None
            and evidence.support_features is not None
        ):
            evidence = dataclasses.replace(
                labelled,
                support_features=torch.cat([labelled.support_features, evidence.support_features]),
                support_labels=torch.cat([labelled.support("Joining")[1], evidence.support("Joining")[1]]),
                support_patches=None,
                support_labelled=torch.arange(len(labelled.support_features) + len(chosen))
                < len(labelled.support_features),
            )
        return dataclasses.replace(evidence, pool=statistics)

    def _chosen(self) -> tuple[Split, Any]:
        features = self.features
        rows = read_pool(Path(str(self.pool)))
        # Of features in memory the encoder is not known by its weights; one folder's prompts and one pool are one encoder's.
        statistics = gather_pool_statistics(
            features.text, features.logit_scale, [rows.numpy()], features.encoder.digest
        )
        statistics.check(statistics.encoder, statistics.text)
        return support_from_pool(features.text, features.logit_scale, rows, self.per_class), statistics

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def check_together(features: Mapping[str, FeatureSet]) -> None:
    """Refuse data sets that several encoders made: their rows would differ by more than the method.

    Raises:
        MismatchError: names two data sets and what tells their encoders apart.
    """
    held = list(features.items())
    for name, one in held[1:]:
        first, reference = held[0]
        width, expected = one.text.shape[1], reference.text.shape[1]
        if width != expected:
            raise MismatchError(
                f"{first} has features of width {expected}, {name} of width {width}: two encoders made them. One table is of one "
                "encoder; measure them apart."
            )
        if reference.encoder.differs_from(one.encoder):
            raise MismatchError(
                f"{first} was encoded by {reference.encoder}, {name} by {one.encoder}. One table is of one encoder; measure them apart."
            )
