"""A method as scikit-learn's users know it: numpy rows in, ``fit``, ``predict``, ``predict_proba``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from susx.errors import InputError
from susx.experiment.trials import method_of
from susx.features.gather_pool import gather_pool_statistics
from susx.features.pool_search import support_from_pool
from susx.methods import Evidence, ImageFeatures, Run
from susx.methods.state import Fitted

__all__ = ["FeatureClassifier"]


class FeatureClassifier:
    """A classifier of image features by class prompts and a support set, on arrays.

    >>> text = np.eye(3, 8, dtype=np.float32)
    >>> images = np.repeat(text, 4, axis=0) + 0.1
    >>> classifier = FeatureClassifier(text, method="tip_adapter", alpha=2.0)
    >>> classifier.fit(images, np.arange(12) // 4).predict(text + 0.1).tolist()
    [0, 1, 2]
    """

    def __init__(
        self,
        text: Float[np.ndarray, "classes dim"],
        *,
        method: str = "whitened_prototypes",
        class_names: Sequence[str] | None = None,
        logit_scale: float = 100.0,
        seed: int = 0,
        **hyper_parameters: Any,
    ) -> None:
        """Name a method.

        Args:
            text: one row per class prompt, of any norm.
            method: its name in the registry.
            class_names: what ``predict`` answers with; label numbers when None.
            logit_scale: the encoder's scale of cosines.
            seed: of methods that train.
            hyper_parameters: fields of the method.

        Raises:
            ConfigError: no such method, or a value outside its domain.
        """
        self.text = torch.from_numpy(np.array(text, dtype=np.float32))
        self.method = method_of(method, hyper_parameters)
        self.class_names = tuple(class_names) if class_names is not None else None
        self.logit_scale, self.seed = logit_scale, seed
        self.fitted: Fitted | None = None

    def fit(
        self,
        features: Float[np.ndarray, "support dim"] | None = None,
        labels: Int[np.ndarray, " support"] | None = None,
        *,
        pool: Float[np.ndarray, "rows dim"] | None = None,
        per_class: int = 16,
    ) -> FeatureClassifier:
        """Fit on labelled support rows, on rows that the prompts choose from an unlabelled pool, or on support with a pool.

        Rows given without a pool count as labelled by a person; rows given with one as chosen from it.

        Args:
            features: support rows.
            labels: their classes, numbers of rows of ``text``.
            pool: unlabelled rows; without ``features`` ``per_class`` images of each class are chosen from it as a build does.
            per_class: see ``pool``.

        Returns:
            The classifier itself.

        Raises:
            InputError: NaN or zero rows, labels out of range, features without labels.
            MismatchError: widths or lengths that do not fit each other.
            NoSupportError: the method needs support and got none.
        """
        if (features is None) != (labels is None):
            raise InputError("features and labels go together; only one of them was given.")
        support = None if features is None else torch.from_numpy(np.array(features, dtype=np.float32))
        classes = None if labels is None else torch.from_numpy(np.array(labels, dtype=np.int64))
        statistics = None
        if pool is not None:
            text = Evidence(self.text, self.logit_scale).text_classifier
            statistics = gather_pool_statistics(text, self.logit_scale, [pool], "arrays")
            statistics.check(statistics.encoder, statistics.text)
            if support is None:
                chosen = support_from_pool(text, self.logit_scale, torch.from_numpy(pool), per_class)
                support, classes = chosen.features, chosen.labels
        evidence = Evidence(
            self.text, self.logit_scale, support, classes, class_names=self.class_names, pool=statistics,
            support_labelled=None if pool is not None or support is None else torch.ones(len(support), dtype=torch.bool),
        )  # fmt: skip
        self.fitted = Fitted.of(self.method, evidence, Run(seed=self.seed))
        return self

    def decision_function(
        self, features: Float[np.ndarray, "query dim"]
    ) -> Float[np.ndarray, "query classes"]:
        """Return the logits of rows of any norm.

        Raises:
            InputError: it was not fitted, or a row is NaN or zero.
            MismatchError: rows of another width than the prompts.
        """
        if self.fitted is None:
            raise InputError(
                "The classifier was not fitted; call fit first, without arguments for zero-shot."
            )
        rows = ImageFeatures(torch.from_numpy(np.array(features, dtype=np.float32)))
        return self.fitted.logits(rows).numpy()

    def predict_proba(self, features: Float[np.ndarray, "query dim"]) -> Float[np.ndarray, "query classes"]:
        """Return softmax of the logits, not calibrated. Raises as ``decision_function``."""
        logits = torch.from_numpy(self.decision_function(features))
        return logits.softmax(dim=1).numpy()

    def predict(self, features: Float[np.ndarray, "query dim"]) -> np.ndarray:
        """Return the best class of each row: its name where names were given, else its number. Raises as ``decision_function``."""
        best: np.ndarray = self.decision_function(features).argmax(axis=1)
        return best if self.class_names is None else np.array(self.class_names)[best]
