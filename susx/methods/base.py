"""What every classification method is: frozen hyper-parameters, ``fit`` on evidence, row-wise ``logits``.

Everything that the rest of the program asks about a method is a member of its class, so that a method is one file and
one line of the registry: which evidence it needs (the graph of a build computes that and no more), which
hyper-parameters are searched and on what grids, how its search is done, whether it is linear, how it is called in print.
Declaring a method imports no torch; only fitting and classifying do.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from susx.errors import ConfigError
from susx.methods.access import Access
from susx.methods.axis import Axis
from susx.methods.linear_head import LinearHead

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor, nn

    from susx.methods.adapters import Adapters
    from susx.methods.evidence import Evidence, ImageFeatures, PromptEncoder
    from susx.search import Optimum

__all__ = ["VIEWS", "AdapterFile", "Method", "Need", "Run", "TextState", "parameters"]

VIEWS = 64
"""Of an image, itself among them, for methods that need VIEWS; as published since TPT."""


class Need(Enum):
    """What a method cannot work without, beyond class prompts. Joined over the wanted methods it drives a build."""

    SUPPORT = "support"
    """Support images."""
    PATCHES = "patches"
    """Patch tokens of every image."""
    POOL = "pool"
    """Statistics of the pool that support is retrieved from."""
    TRAINING = "training"
    """Gradient descent: a stage of its own on the device, resumable."""
    WEIGHTS = "weights"
    """Weights that were trained elsewhere, named by path."""
    TEXT_TOWER = "text tower"
    """The text encoder itself, to be differentiated through."""
    ADAPTED = "adapted features"
    """Every image's features by the encoder with adapters in its visual blocks, beside its own."""
    VIEWS = "views"
    """Many views of every image to classify, each encoded by itself."""
    QUERY_TEXT = "text tower at query"
    """The text encoder also when an image is classified: the class prompts depend on the image."""


@dataclass(frozen=True)
class AdapterFile:
    """A file of adapters and its sha256."""

    path: str
    digest: str


@dataclass(frozen=True)
class Run:
    """How a fit is carried out; nothing here changes its result but the seed.

    Attributes:
        seed: root of everything random.
        device: ``cpu``, ``cuda`` ...
        folder: where a training keeps checkpoints, to resume from; None keeps none.
        progress: called with (steps done, steps in all, words).
    """

    seed: int = 0
    device: str = "cpu"
    folder: Path | None = None
    progress: Callable[[int, int, str], None] | None = None


@dataclass(frozen=True)
class TextState:
    """The least a fitted state holds. Fields are tensors, or numbers, strings and tuples that JSON can say; one that is neither
    is no part of a file (metadata ``kept``: False) and is given again after reading (``Method.bound``).

    Attributes:
        text: the text classifier that the method uses, one unit row a class. Not always zero-shot's: a method may
            learn it. Zero-shot's own is stored beside the state.
        logit_scale: the scale of its cosines.
    """

    text: Float[Tensor, "classes dim"]
    logit_scale: float
    losses: tuple[float, ...] = dataclasses.field(default=(), kw_only=True)
    """Mean loss of each epoch, where something was trained."""

    def on(self, device: str) -> Any:
        """Return the state with its tensors on a device."""
        from torch import Tensor

        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, value in values.items():
            if isinstance(value, Tensor):
                values[name] = value.to(device)
        return type(self)(**values)


State = TypeVar("State", bound=TextState)


class Method(ABC, Generic[State]):
    """A classifier of images by class prompts and, mostly, support images.

    A method is a frozen dataclass whose fields are its hyper-parameters. ``fit`` does once what depends on the evidence
    alone; ``scores`` is row-wise: an image's scores never depend on the other images of the batch.

    Class attributes:
        name: in commands, profiles and files.
        title: as its paper writes it.
        version: part of the key of this method's fits alone; raised when the same evidence gives another state.
        needs: what the evidence must hold.
        reads: what it looks at beside that where there is some.
        access: the most it ever looks at (``susx.methods.access``): evidence is cut down to that, and tables print it.
        axes: what may be searched. Of equally good points a search takes the one with the smallest value of the first
            axis, then of the second ...: the terms one would rather do without come first.
        state_type: the dataclass that ``fit`` returns.
        row_wise: False where an image's logits depend on the others of its batch: a folder's method, a stream's, or a published
            computation kept for comparison. Not served, not exported.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    needs: ClassVar[frozenset[Need]] = frozenset()
    reads: ClassVar[frozenset[Need]] = frozenset()
    access: ClassVar[frozenset[Access]] = frozenset({"names", "pool", "shots"})
    axes: ClassVar[tuple[Axis, ...]] = ()
    state_type: ClassVar[type[TextState]]
    row_wise: ClassVar[bool] = True

    @abstractmethod
    def fit(self, evidence: Evidence, run: Run = Run()) -> State:
        """Return all that ``logits`` needs; the evidence itself is not needed again."""

    @abstractmethod
    def scores(
        self,
        state: State,
        pooled: Float[Tensor, "query dim"],
        patches: Float[Tensor, "query patches dim"] | None,
    ) -> Float[Tensor, "query classes"]:
        """Return class scores of unit rows, as plain tensor operations without checks (they are traced for ONNX)."""

    def logits(self, state: State, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return one row of float32 class scores per query image, in blocks of bounded memory.

        Raises:
            MismatchError: the images were encoded to another width than the text.
            InputError: the method looks at patches and the images come without.
        """
        from susx.methods.blocks import logits_in_blocks

        return logits_in_blocks(self, state, query)

    def scores_of(self, state: State, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return class scores of encoded images, by whatever of their features the method looks at."""
        return self.scores(state, query.pooled, query.patches)

    def numbers_per_row(self, state: State, patches: int) -> int:
        """Return how many numbers ``scores`` holds per image, for the size of a block; ``patches`` tokens an image."""
        from torch import Tensor

        tensors = (getattr(state, f.name) for f in dataclasses.fields(state))
        return sum(t.shape[0] for t in tensors if isinstance(t, Tensor) and t.ndim == 2)

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the grid point that classifies most rows correctly: here by trying every one.

        Args:
            evidence: what is fitted on.
            query: rows to classify; the support rows themselves when ``fold`` is given.
            labels: their classes.
            grid: axis -> values, for every axis of the method.
            fold: fold of each support row; a row is then classified by a fit without the rows of its fold.
            run: of the fits.
        """
        from susx.methods.exhaustive import search_exhaustively

        return search_exhaustively(self, evidence, query, labels, grid, fold, run)

    def adapter_file(self) -> AdapterFile | None:
        """Return the adapters that images are encoded with (ADAPTED), None where the method needs none.

        Raises:
            ConfigError: it needs some and names none.
        """
        return None

    def adapters(self, state: State) -> Adapters | None:
        """Return the adapters of a fitted state, None where the method needs none."""
        return None

    def bound(self, state: State, tower: PromptEncoder) -> State:
        """Return the state with the text encoder that classifying needs; the state itself where it needs none.

        Raises:
            MismatchError: the state was fitted with another text encoder.
        """
        return state

    def linear_head(self, state: State) -> LinearHead | None:
        """Return an equal linear layer on unit rows, None where there is none."""
        return None

    def module(self, state: State) -> nn.Module:
        """Return a module from image features of any norm to logits; what ONNX is exported from.

        Raises:
            ConfigError: the method looks at more than one image's features, or mixes the rows of a batch.
        """
        from susx.methods.module import LogitsModule

        return LogitsModule(self, state)

    def grid(self, protocol: str, dataset: str | None = None) -> dict[str, tuple[float, ...]]:
        """Return the values that a protocol searches, by axis."""
        return {axis.name: axis.grid(protocol, dataset) for axis in self.axes}

    def values(self) -> dict[str, float]:
        """Return the values of the searched hyper-parameters, in the order of the fields.

        >>> from susx.methods import TipAdapter
        >>> TipAdapter().values()
        {'alpha': 1.0, 'beta': 5.5}
        """
        searched = {axis.name for axis in self.axes}
        return {name: float(value) for name, value in parameters(self).items() if name in searched}

    def with_values(self, values: Mapping[str, Any]) -> Any:
        """Return the method with other hyper-parameters.

        Raises:
            ConfigError: a value is outside its domain.
        """
        return dataclasses.replace(self, **values)  # type: ignore[type-var]

    def gives_zero_shot(self, state: State) -> bool:
        """Whether it *is* zero-shot whatever its name: the weights of all terms beyond the class prompts are 0."""
        weights = [axis.name for axis in self.axes if axis.term]
        return bool(weights) and all(getattr(self, name) == 0 for name in weights)

    def why_zero_shot(self, state: State) -> str:
        """Return what leaves everything beyond the class prompts without a say; "" where it has one. Ends a sentence."""
        if not self.gives_zero_shot(state):
            return ""
        weights = ", ".join(f"{axis.name} = {getattr(self, axis.name):g}" for axis in self.axes if axis.term)
        return f"the support images have no say ({weights})"

    def fit_says(self, state: State) -> str:
        """Return a sentence of the fit for people, such as how far it trusts its support; "" where it has none.

        Report, ``run.json``, terminal, ``predict`` and ``serve`` show it after the packaged method's name.
        """
        return ""

    def class_trust(self, state: State) -> tuple[float, ...]:
        """Return how far each class's images are trusted, 0 to 1, in label order; () where nothing is said of them.

        The report, ``predict`` and ``serve`` show it beside the class.
        """
        return ()

    def _check(
        self,
        *,
        positive: tuple[str, ...] = (),
        non_negative: tuple[str, ...] = (),
        at_most_one: tuple[str, ...] = (),
    ) -> None:
        """Refuse hyper-parameters outside their domain.

        Raises:
            ConfigError: names the method, the hyper-parameter, its value and what is allowed.
        """
        for name in (*positive, *non_negative):
            value, strict = getattr(self, name), name in positive
            number = isinstance(value, int | float) and math.isfinite(value)
            if not (number and (value > 0 if strict else value >= 0)):
                word = "greater than 0" if strict else "0 or greater"
                raise ConfigError(
                    f"{self.name}: {name} must be a finite number {word}, found {value!r}. Give such a value."
                )
        for name in at_most_one:
            if getattr(self, name) > 1:
                raise ConfigError(f"{self.name}: {name} must be at most 1, found {getattr(self, name)!r}.")

    def _check_choice(self, name: str, allowed: tuple[str, ...]) -> None:
        """Refuse a word that is not one of ``allowed``.

        Raises:
            ConfigError: names the method, the field, its value and what is allowed.
        """
        if getattr(self, name) not in allowed:
            raise ConfigError(
                f"{self.name}: {name} must be one of {', '.join(allowed)}, found {getattr(self, name)!r}."
            )


def parameters(method: Method[Any]) -> dict[str, Any]:
    """Return all hyper-parameters of a method by field name; 1 and 1.0 are one value, so that keys and files agree."""
    values = {}
    for field in dataclasses.fields(method):  # type: ignore[arg-type]
        value = getattr(method, field.name)
        real = "float" in str(field.type) and isinstance(value, int) and not isinstance(value, bool)
        values[field.name] = float(value) if real else value
    return values
