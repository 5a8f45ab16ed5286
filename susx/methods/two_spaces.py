"""What methods share that compare images in two feature spaces: adapted features for affinities, the encoder's own for the rest."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.encoder_id import EncoderId
from susx.errors import ConfigError, InputError
from susx.methods.base import AdapterFile, Method, Need, Run
from susx.methods.trained_weights import locate_weights, name_weights

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.adapters import Adapters
    from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["AdaptedSpace", "AdapterFields"]


@dataclass(frozen=True)
class AdapterFields:
    """The adapters of a fitted state, which every image to be classified goes through: see ``Adapters``."""

    down: Float[Tensor, "blocks hidden width"]
    down_bias: Float[Tensor, "blocks hidden"]
    up: Float[Tensor, "blocks width hidden"]
    up_bias: Float[Tensor, "blocks width"]
    strength: float
    encoder: str
    encoder_digest: str


@dataclass(frozen=True)
class AdaptedSpace(Method[Any]):
    """A method with a cache, before which it stands in the bases: support rows and queries of its affinities are adapted ones. The
    adapters are read when the method is fitted, and a fitted method does not need their file again.

    Attributes:
        weights: file of the adapters (safetensors).
        digest: sha256 of that file, part of the key of a fit; read from the file where it is not given.
    """

    weights: str = ""
    digest: str = ""

    needs = frozenset({Need.SUPPORT, Need.WEIGHTS, Need.ADAPTED})

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[misc]  # the method behind checks its fields
        if self.weights and not self.digest:
            path, digest = name_weights(self.name, self.weights, "adapters", "susx adapt")
            object.__setattr__(self, "weights", path)
            object.__setattr__(self, "digest", digest)

    def fit(self, evidence: Evidence, run: Run = Run()) -> Any:
        """Fit the method behind on the adapted support rows, and keep the adapters in its state.

        Raises:
            NoSupportError: no support images.
            ConfigError: no weights were named.
            InputError: the support has no adapted features, or the file is no longer the one that was named.
            MismatchError: the adapters are another encoder's.
        """
        fitted = super().fit(evidence, run)  # type: ignore[safe-super]  # the method behind
        fields = {f.name: getattr(fitted, f.name) for f in dataclasses.fields(fitted)}
        return self.state_type(**fields, **self._read_adapters(evidence))

    def adapter_file(self) -> AdapterFile:
        """Return the file that the method names.

        Raises:
            ConfigError: none is named.
        """
        if not self.weights:
            raise ConfigError(
                f"{self.name} needs adapters of the encoder's visual blocks, and none are named. Give their file as 'weights', or "
                "make one with susx adapt."
            )
        return AdapterFile(str(locate_weights(self.weights, "adapters")), self.digest)

    def adapters(self, state: Any) -> Adapters:
        """Return the adapters of a fitted state."""
        from susx.methods.adapters import Adapters

        encoder = EncoderId(state.encoder, state.encoder_digest)
        return Adapters(state.down, state.down_bias, state.up, state.up_bias, state.strength, encoder)

    def support_rows(self, evidence: Evidence) -> Float[Tensor, "support dim"]:
        """Return the adapted support rows.

        Raises:
            InputError: the support comes without.
        """
        if evidence.support_adapted is None:
            raise InputError(
                f"{self.name} compares adapted features, and these come without. Use it in a build (methods: "
                f"{{{self.name}: {{weights: ...}}}}) whose source delivers images, or a method that works on features: tip_adapter, "
                "tip_x."
            )
        return evidence.support_adapted

    def query_rows(self, query: ImageFeatures) -> Float[Tensor, "query dim"]:
        """Return the adapted rows of queries.

        Raises:
            InputError: they come without.
        """
        if query.adapted is None:
            raise InputError(
                f"{self.name} compares adapted features, and the images come without. Encode them with the adapters "
                "(susx.features.adapted_encoder)."
            )
        return query.adapted

    def _read_adapters(self, evidence: Evidence) -> dict[str, Any]:
        """Return the adapters as fields of a state.

        Raises:
            ConfigError: no weights were named.
            InputError: the file is no longer the one that was named, or holds something else.
            MismatchError: the adapters are another encoder's.
        """
        from susx.methods.adapters import read_adapters

        file = self.adapter_file()
        adapters = evidence.derived(
            ("adapters", file.digest), lambda: read_adapters(Path(file.path), file.digest)
        )
        adapters.check(evidence.encoder)
        return {
            **adapters.tensors, "strength": adapters.strength, "encoder": adapters.encoder.model,
            "encoder_digest": adapters.encoder.digest,
        }  # fmt: skip
