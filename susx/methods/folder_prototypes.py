"""Folder prototypes as a method: the inductive whitened prototypes are fitted, the batch that is classified is the folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Method, Need, Run
from susx.methods.whitened_prototypes import WhitenedPrototypes, WhitenedPrototypesState

if TYPE_CHECKING:
    from jaxtyping import Float, Float64
    from torch import Tensor

    from susx.methods.evidence import Evidence
    from susx.methods.functional.folder_prototypes import InductiveFit

__all__ = ["FolderPrototypes", "FolderPrototypesState"]


@dataclass(frozen=True)
class FolderPrototypesState(WhitenedPrototypesState):
    """The inductive state, and the moments of the pool.

    Attributes:
        pool_mean, pool_covariance: of the support images themselves where there is no pool.
    """

    pool_mean: Float64[Tensor, " dim"]
    pool_covariance: Float64[Tensor, "dim dim"]

    @property
    def inductive(self) -> InductiveFit:
        """Return what a folder is labelled from."""
        from susx.methods.functional.folder_prototypes import InductiveFit, LabelledFit

        names_alone = (
            self.text, self.logit_scale, self.mean, self.matrix, self.prototypes, self.offset, self.pool_mean,
            self.pool_covariance,
        )  # fmt: skip
        mean, matrix, prototypes = self.labelled_mean, self.labelled_matrix, self.labelled_prototypes
        if mean is None or matrix is None or prototypes is None or self.trust is None:
            return InductiveFit(*names_alone)
        return LabelledFit(
            *names_alone, labelled_mean=mean, labelled_matrix=matrix, labelled_prototypes=prototypes, trust=self.trust,
            stranger=self.stranger, every_class=self.every_class,
        )  # fmt: skip


@dataclass(frozen=True)
class FolderPrototypes(Method[FolderPrototypesState]):
    """Labels a whole folder at once (``functional.folder_prototypes``); an image's logits depend on the others.

    For ``susx label``, and to measure. A classifier that is served or exported sees one image at a time: that is
    ``whitened_prototypes``, on whose state this method stands.
    """

    name = "folder_prototypes"
    version = 2
    title = "Folder prototypes (a whole folder at once)"
    needs = frozenset({Need.SUPPORT, Need.POOL})
    access = frozenset({"names", "pool", "shots", "folder"})
    state_type = FolderPrototypesState
    row_wise = False

    def fit(self, evidence: Evidence, run: Run = Run()) -> FolderPrototypesState:
        """Fit the inductive classifier.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.whitening import covariance

        inductive = WhitenedPrototypes().fit(evidence, run)
        pool = evidence.pool
        if pool is None:
            support = evidence.support(self.name)[0].double()
            moments = support.mean(dim=0), covariance(support)
        else:
            moments = pool.mean, pool.covariance
        return FolderPrototypesState(**vars(inductive), pool_mean=moments[0], pool_covariance=moments[1])

    def scores(
        self, state: FolderPrototypesState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logits of the batch as one folder."""
        from susx.methods.functional.folder_prototypes import label_folder

        logits: Tensor = label_folder(state.inductive, pooled).logits
        return logits
