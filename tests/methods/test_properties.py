"""Properties that every method keeps, found in the registry. Those that need a text encoder: ``test_coop.py``."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from susx.errors import ConfigError
from susx.features.gather_pool import gather_pool_statistics
from susx.methods import (
    METHODS,
    Evidence,
    ImageFeatures,
    Method,
    Need,
    Run,
    TipAdapter,
    TipAdapterF,
    TipX,
    TipXPublished,
    WhitenedPrototypes,
    ZeroShot,
    parameters,
)
from susx.methods.access import ACCESS, permitted
from susx.methods.adapters import first_adapters
from susx.methods.exhaustive import search_exhaustively
from susx.methods.meta_training import first_weights
from susx.methods.state import Fitted, load_fitted, save_fitted

DIM, CLASSES, PATCHES = 16, 5, 6
FOLDER = tempfile.TemporaryDirectory()
WEIGHTS = Path(FOLDER.name) / "meta.safetensors"
save_file(first_weights(DIM), WEIGHTS)
ADAPTERS = Path(FOLDER.name) / "adapters.safetensors"
ADAPTERS.write_bytes(first_adapters(2, 8, 4).to_bytes())


class AllLabelled(WhitenedPrototypes):
    """The method on the same evidence, all of it labelled by a person."""

    least: ClassVar[float] = -1.0

    def fit(self, evidence: Evidence, run: Run = Run()) -> Any:
        """Fit on the evidence with its marks."""
        features, _ = evidence.support(self.name)
        return super().fit(
            dataclasses.replace(evidence, support_labelled=features[:, 0].float() >= self.least), run
        )


class SomeLabelled(AllLabelled):
    """The same where a person labelled the images whose first feature is large: an image keeps its mark in any order."""

    least: ClassVar[float] = 0.1


WITHOUT_TOWER = {name: method for name, method in METHODS.items() if Need.TEXT_TOWER not in method.needs}
# Values with which every term of a method has a say; a method without a line here has the properties checked at its defaults.
VALUES: dict[str, dict[str, Any]] = {
    "calip": {"visual": 0.7, "textual": 0.3},
    "tip_adapter": {"alpha": 1.5, "beta": 3.0},
    "tip_adapter_pp": {"alpha": 1.5, "beta": 3.0, "weights": str(ADAPTERS)},
    "tip_adapter_f": {"alpha": 1.5, "beta": 3.0, "epochs": 5},
    "clip_adapter": {"ratio": 0.6, "epochs": 5},
    "meta_adapter": {"weights": str(WEIGHTS)},
    "tip_x": {"alpha": 1.5, "beta": 3.0, "gamma": 2.0},
    "tip_x_pp": {"alpha": 1.5, "beta": 3.0, "gamma": 2.0, "weights": str(ADAPTERS)},
    "tip_x_published": {"alpha": 1.5, "beta": 3.0, "gamma": 2.0},
    "ape": {"alpha": 1.5, "beta": 3.0},
    "gda": {"alpha": 1.0},
}
VARIANTS: dict[str, Any] = {
    "tip_adapter-sum": TipAdapter(alpha=1.5, beta=3.0, weighting="sum"),
    "tip_adapter_f-sum": TipAdapterF(alpha=1.5, beta=3.0, epochs=5, weighting="sum"),
    "tip_x-sum": TipX(alpha=1.5, beta=3.0, gamma=2.0, weighting="sum"),
    "whitened_prototypes-labelled": AllLabelled(weight=9.0),
    "whitened_prototypes-some-labelled": SomeLabelled(),
    "tip_x_published-slips": TipXPublished(alpha=1.5, beta=3.0, gamma=2.0, slips=True),
}
ALL: dict[str, Any] = {
    name: method(**VALUES.get(name, {})) for name, method in WITHOUT_TOWER.items()
} | VARIANTS
CASES = {name: method for name, method in ALL.items() if method.row_wise}
PUBLISHED = {name: method for name, method in ALL.items() if method.name == "tip_x_published"}
# Their own properties are those of folders and streams: ``test_folder_methods.py``, ``test_stream_methods.py``.
FOLDER_WISE = {name: method for name, method in ALL.items() if not method.row_wise and name not in PUBLISHED}
every = pytest.mark.parametrize("method", CASES.values(), ids=CASES.keys())
# Eight rounds over seven images of noise amplify rounding, so that a folder's method is held to its tolerances on folders alone.
row_by_row = pytest.mark.parametrize("method", (CASES | PUBLISHED).values(), ids=(CASES | PUBLISHED).keys())
every_and_published = pytest.mark.parametrize("method", ALL.values(), ids=ALL.keys())


def unit(*shape: int, seed: int) -> torch.Tensor:
    """Random unit rows around a common direction, as encoders give them."""
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.7
    return rows / rows.norm(dim=-1, keepdim=True)


def evidence(seed: int = 0, *, labels: list[int] | None = None) -> Evidence:
    chosen = torch.tensor(labels if labels is not None else [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4, 4, 1])
    return Evidence(
        text_classifier=unit(CLASSES, DIM, seed=seed),
        support_features=unit(len(chosen), DIM, seed=seed + 1),
        support_labels=chosen,
        validation_features=unit(9, DIM, seed=seed + 2),
        validation_labels=torch.arange(9) % CLASSES,
        support_adapted=unit(len(chosen), DIM, seed=seed + 5),
        validation_adapted=unit(9, DIM, seed=seed + 6),
    )


def images(count: int = 7, seed: int = 0) -> ImageFeatures:
    return ImageFeatures(
        unit(count, DIM, seed=seed + 3),
        unit(count, PATCHES, DIM, seed=seed + 4),
        unit(count, DIM, seed=seed + 7),
        unit(count, PATCHES, DIM, seed=seed + 10),
    )


def logits(method: Any, given: Evidence, query: ImageFeatures) -> torch.Tensor:
    return method.logits(method.fit(given), query)


def test_every_method_says_what_it_is() -> None:
    """A method has its name, a title, and in its own file (or that of the method it varies) what it looks at."""
    assert all(METHODS[name].name == name and METHODS[name].title for name in METHODS)
    for method in METHODS.values():
        assert any("access" in vars(kind) for kind in method.__mro__[: method.__mro__.index(Method)])
        assert "names" in method.access <= set(ACCESS)
        assert method.row_wise == (not method.access & {"folder", "stream"})
        assert Need.SUPPORT not in method.needs or method.access & {"pool", "shots"}


@every_and_published
def test_a_method_sees_no_more_than_it_declares(method: Any) -> None:
    """On evidence without what it does not declare its logits are the same bit for bit."""
    marks = torch.arange(13) < 7
    statistics = gather_pool_statistics(
        evidence().text_classifier, 100.0, [unit(40, DIM, seed=8).numpy()], "e"
    )
    everything = dataclasses.replace(evidence(), support_labelled=marks, pool=statistics)
    declared = permitted(everything, method.access)
    assert torch.equal(logits(method, declared, images()), logits(method, everything, images()))


@every_and_published
def test_logits_are_finite_and_shaped(method: Any) -> None:
    """Logits are finite float32 of one row per image and one column per class."""
    found = logits(method, evidence(), images())
    assert found.shape == (7, CLASSES)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


@every
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(7)), size=st.integers(1, 7))
def test_logits_are_row_wise(method: Any, seed: int, order: list[int], size: int) -> None:
    """An image's logits do not depend on which images share its batch, nor on their order."""
    query, chosen = images(seed=seed), torch.tensor(order[:size])
    assert query.patches is not None
    together = logits(method, evidence(seed), query)
    alone = logits(method, evidence(seed), query.take(chosen))
    torch.testing.assert_close(alone, together[chosen], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("method", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_logits_depend_on_the_batch(method: Any) -> None:
    """The published rescaling is not row-wise, which is why it is a switch."""
    query = images(count=230)
    together = logits(method, evidence(), query)
    alone = logits(method, evidence(), query.rows(0, 110))
    assert (alone[:100] - together[:100]).abs().max() > 1e-2


@every
def test_blocks_do_not_change_logits(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows computed block by block equal rows computed at once."""
    whole = logits(method, evidence(), images())
    monkeypatch.setattr("susx.methods.blocks._BLOCK_NUMBERS", 1)
    torch.testing.assert_close(logits(method, evidence(), images()), whole, rtol=1e-5, atol=1e-4)


@row_by_row
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(13)))
def test_order_of_support_does_not_matter(method: Any, seed: int, order: list[int]) -> None:
    """Shuffling the support images with their labels changes nothing."""
    given_ = evidence(seed)
    assert given_.support_features is not None
    assert given_.support_labels is not None
    assert given_.support_adapted is not None
    shuffled = dataclasses.replace(
        given_,
        support_adapted=given_.support_adapted[torch.tensor(order)],
        support_features=given_.support_features[torch.tensor(order)],
        support_labels=given_.support_labels[torch.tensor(order)],
    )
    torch.testing.assert_close(
        logits(method, shuffled, images(seed=seed)),
        logits(method, given_, images(seed=seed)),
        rtol=1e-4,
        atol=1e-3,
    )


@row_by_row
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(CLASSES)))
def test_order_of_classes_permutes_columns(method: Any, seed: int, order: list[int]) -> None:
    """Listing the classes in another order permutes the columns and nothing else."""
    given_, permuted = evidence(seed), torch.tensor(order)
    assert given_.support_labels is not None
    moved = dataclasses.replace(
        given_,
        text_classifier=given_.text_classifier[permuted],
        support_labels=permuted.argsort()[given_.support_labels],
    )
    query = images(seed=seed)
    expected = logits(method, given_, query)[:, permuted]
    torch.testing.assert_close(logits(method, moved, query), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n in WITHOUT_TOWER.keys() - FOLDER_WISE.keys()
        if any(a.term for a in METHODS[n].axes) or not (METHODS[n].axes or Need.VIEWS in METHODS[n].needs)
    ),
)
def test_zero_weights_are_zero_shot(name: str) -> None:
    """With the weight of every term at 0 a method is zero-shot CLIP, and says so; one without prompts has no such term."""
    method = next(m for m in ALL.values() if m.name == name)
    off = method.with_values({axis.name: 0.0 for axis in method.axes if axis.term})
    expected = logits(ZeroShot(), evidence(), images())
    torch.testing.assert_close(logits(off, evidence(), images()), expected, rtol=0, atol=0)
    assert off.gives_zero_shot(off.fit(evidence())) == bool(method.axes)
    assert not method.gives_zero_shot(method.fit(evidence()))


@every_and_published
def test_a_class_without_support_is_legal(method: Any) -> None:
    """A class without support images still gets finite logits; by its prompt it can be predicted."""
    given_ = evidence(labels=[0, 1, 3, 4, 4])
    text = given_.text_classifier
    found = logits(method, given_, ImageFeatures(text, text[:, None], text, text[:, None]))
    assert torch.isfinite(found).all()
    prompted = not method.axes or any(axis.term for axis in method.axes)
    assert int(found[2].argmax()) == 2 or not prompted


@every_and_published
def test_state_survives_a_file(method: Any, tmp_path: Any) -> None:
    """A fitted classifier read back is the same bit for bit, hyper-parameters included."""
    fitted = Fitted.of(method, evidence())
    save_fitted(tmp_path / "fitted.safetensors", fitted)
    again = load_fitted(tmp_path / "fitted.safetensors")
    assert (again.method.name, parameters(again.method)) == (method.name, parameters(method))
    for field in dataclasses.fields(fitted.state):
        before, after = getattr(fitted.state, field.name), getattr(again.state, field.name)
        assert torch.equal(before, after) if isinstance(before, torch.Tensor) else before == after
    assert torch.equal(again.zero_shot.text, fitted.zero_shot.text)
    torch.testing.assert_close(again.logits(images()), fitted.logits(images()), rtol=1e-5, atol=1e-5)


@every
def test_a_module_computes_the_logits(method: Any) -> None:
    """What is exported gives the library's logits for features of any norm; methods that cannot say so."""
    fitted, query = Fitted.of(method, evidence()), images()
    if method.needs & {Need.PATCHES, Need.ADAPTED, Need.VIEWS}:
        with pytest.raises(
            ConfigError,
            match=rf"'{method.name}' (looks at patch|looks at many views|compares features of an adapted)",
        ):
            method.module(fitted.state)
        return
    found = method.module(fitted.state)(3.0 * query.pooled)
    torch.testing.assert_close(found, fitted.logits(query), rtol=1e-5, atol=1e-3)


@every
def test_a_linear_head_is_the_method(method: Any) -> None:
    """Where a method offers a linear layer, it gives the method's logits."""
    fitted, query = Fitted.of(method, evidence()), images()
    head = method.linear_head(fitted.state)
    if head is not None:
        torch.testing.assert_close(head(query.pooled), fitted.logits(query), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("method", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize("folds", [0, 3])
def test_a_search_counts_what_the_method_reaches(method: Any, folds: int) -> None:
    """Every count of a method's own search is that of fitting and classifying at the point, by folds too."""
    if not method.axes:
        return
    given_ = dataclasses.replace(evidence(), support_patches=unit(13, PATCHES, DIM, seed=9))
    assert given_.support_features is not None
    assert given_.support_labels is not None
    query, labels, fold = images(30), torch.arange(30) % CLASSES, None
    if folds:
        query = ImageFeatures(given_.support_features, given_.support_patches, given_.support_adapted)
        labels = given_.support_labels
        fold = torch.arange(13) % folds if Need.SUPPORT in method.needs else None
    grid = {axis.name: axis.grid("support")[:40:13] for axis in method.axes}
    found = method.search(given_, query, labels, grid, fold)
    if fold is not None and "psi" in str(dataclasses.fields(method.state_type)):
        return  # psi is that of the whole support set, an exhaustive refit makes one per fold
    nominal = (
        {"nominal": 13 / CLASSES + 0.4}
        if fold is not None and getattr(method, "weighting", "") == "mean"
        else {}
    )
    pinned = dataclasses.replace(method, **nominal)
    if nominal:
        found = pinned.search(given_, query, labels, grid, fold)
    expected = search_exhaustively(pinned, given_, query, labels, grid, fold)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found == expected
    assert list(found.grid) == [axis.name for axis in method.axes]


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_brought_to_float32(method: Any, dtype: torch.dtype) -> None:
    """Half precision inputs give float32 logits close to those of float32 inputs."""
    given_, query = evidence(), images()
    assert given_.support_features is not None
    assert query.patches is not None
    halved = dataclasses.replace(
        given_,
        text_classifier=given_.text_classifier.to(dtype),
        support_features=given_.support_features.to(dtype),
    )
    found = logits(
        method,
        halved,
        ImageFeatures(query.pooled.to(dtype), query.patches.to(dtype), query.adapted, query.views),
    )
    expected = logits(method, given_, query)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < (0.2 if dtype == torch.float16 else 1.5)


@every_and_published
def test_no_images_give_no_rows(method: Any) -> None:
    """An empty query set gives an empty matrix of the right width."""
    assert logits(method, evidence(), images().rows(0, 0)).shape == (0, CLASSES)


@every
def test_one_class_is_legal(method: Any) -> None:
    """One class: every image belongs to it, and the logits are finite."""
    given_ = Evidence(
        unit(1, DIM, seed=0), support_features=unit(3, DIM, seed=1), support_labels=torch.zeros(3).long(),
        support_adapted=unit(3, DIM, seed=2),
    )  # fmt: skip
    found = logits(method, given_, images())
    assert found.shape == (7, 1)
    assert torch.isfinite(found).all()


@every
def test_one_support_image_is_legal(method: Any) -> None:
    """One support image for all classes: no pair fixes a range, and the logits are finite."""
    assert torch.isfinite(logits(method, evidence(labels=[2]), images())).all()


@every
def test_no_target_label_enters_a_fit(method: Any) -> None:
    """Labelled images of the target are for tuning on val alone: with others, or none, a fit is the same bit for bit."""
    given_ = evidence()
    assert given_.validation_labels is not None
    other = dataclasses.replace(given_, validation_labels=given_.validation_labels.flip(0))
    none = dataclasses.replace(
        given_, validation_features=None, validation_labels=None, validation_adapted=None
    )
    expected = logits(method, given_, images())
    assert torch.equal(logits(method, other, images()), expected)
    assert torch.equal(logits(method, none, images()), expected)


@every
def test_arguments_are_left_alone(method: Any) -> None:
    """Neither fit nor logits writes into what it was given."""
    given_, query = evidence(), images()
    before = [
        t.clone() for t in (given_.text_classifier, given_.support_features, query.pooled) if t is not None
    ]
    logits(method, given_, query)
    after = [t for t in (given_.text_classifier, given_.support_features, query.pooled) if t is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_needs_are_declared() -> None:
    """What a method declares to need is what it refuses to work without."""
    assert METHODS["zero_shot"].needs == frozenset()
    assert METHODS["calip"].needs == {Need.PATCHES}
    assert METHODS["whitened_prototypes"].needs == {Need.SUPPORT, Need.POOL}
    assert METHODS["tip_adapter"].needs == METHODS["tip_x"].needs == {Need.SUPPORT}
    assert (
        METHODS["tip_x_pp"].needs
        == METHODS["tip_adapter_pp"].needs
        == {Need.SUPPORT, Need.WEIGHTS, Need.ADAPTED}
    )
