"""A folder is labelled the same whatever its order, no image votes for itself, and no folder gives NaN."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from susx.errors import InputError, MismatchError
from susx.methods.functional.folder_accuracy import estimated_accuracy
from susx.methods.functional.folder_prototypes import (
    NONE_OF_THESE,
    UNSAID,
    FolderLabels,
    InductiveFit,
    LabelledFit,
    inductive_from_folder,
    label_folder,
)
from susx.methods.functional.folder_questions import ask_next
from susx.methods.functional.whitening import covariance, whitening

DIM, CLASSES = 24, 6


def fit_of(classes: int = CLASSES, weight: float = 6.0, seed: int = 0) -> InductiveFit:
    generator = torch.Generator().manual_seed(seed)
    text = normalize(torch.randn(classes, DIM, generator=generator) + 1.0)
    pool = normalize(torch.randn(500, DIM, generator=generator) + 1.0)
    white = whitening(pool.double().mean(dim=0), covariance(pool), 0.1)
    prototypes = weight * normalize(torch.randn(classes, DIM, generator=generator))
    return InductiveFit(
        text, 20.0, white.mean, white.matrix, prototypes, 0.1 * torch.arange(classes), pool.double().mean(dim=0),
        covariance(pool),
    )  # fmt: skip


def folder_of(fit: InductiveFit, count: int, seed: int = 1, spread: float = 0.12) -> tuple[Tensor, Tensor]:
    """Return images spread around centres near the prompts, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(fit.text)
    centres = fit.text + spread * torch.randn(fit.text.shape, generator=generator)
    return normalize(centres[labels] + spread * torch.randn(count, DIM, generator=generator)), labels


def same(one: FolderLabels, other: FolderLabels, order: Tensor) -> None:
    assert torch.equal(one.logits[order], other.logits)
    assert torch.equal(one.none_of_these[order], other.none_of_these)
    assert torch.equal(one.shares, other.shares)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 60),
    grouped=st.booleans(),
    weight=st.sampled_from([0.0, 6.0]),
)
def test_the_order_of_images_changes_no_bit(seed: int, count: int, grouped: bool, weight: float) -> None:
    """Labels, shares and the images asked about belong to the content of a folder, with corrections and groups too."""
    fit = fit_of(weight=weight)
    rows, labels = folder_of(fit, count, seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    corrections = torch.where(
        torch.rand(count, generator=generator) < 0.2, labels, torch.full_like(labels, UNSAID)
    )
    groups = torch.arange(count) // 2 if grouped else None
    one = label_folder(fit, rows, corrections=corrections, groups=groups)
    moved = None if groups is None else groups[order] * 7 + 3
    other = label_folder(fit, rows[order], corrections=corrections[order], groups=moved)
    same(one, other, order)
    again = label_folder(fit, rows, corrections=corrections, groups=groups)
    same(one, again, torch.arange(count))
    asked = ask_next(one, rows, None, 3)
    assert torch.equal(rows[asked], rows[order][ask_next(other, rows[order], None, 3)])


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(CLASSES)), weight=st.sampled_from([0.0, 6.0]))
def test_the_order_of_classes_moves_the_columns_alone(order: list[int], weight: float) -> None:
    """Columns follow the classes, corrections too."""
    fit, moved = fit_of(weight=weight), torch.tensor(order)
    rows, labels = folder_of(fit, 50)
    corrections = torch.where(torch.arange(50) < 5, labels, torch.full_like(labels, UNSAID))
    other = InductiveFit(
        fit.text[moved], fit.logit_scale, fit.mean, fit.matrix, fit.prototypes[moved], fit.offset[moved],
        fit.pool_mean, fit.pool_covariance,
    )  # fmt: skip
    renamed = torch.where(corrections < 0, corrections, moved.argsort()[corrections.clamp(min=0)])
    one, two = (
        label_folder(fit, rows, corrections=corrections),
        label_folder(other, rows, corrections=renamed),
    )
    torch.testing.assert_close(two.logits, one.logits[:, moved], rtol=1e-3, atol=1e-2)


def test_blocks_change_rounding_alone() -> None:
    """A block of seven images gives the labels of all at once."""
    fit = fit_of()
    rows, labels = folder_of(fit, 90)
    corrections = torch.where(torch.arange(90) < 9, labels, torch.full_like(labels, UNSAID))
    whole = label_folder(fit, rows, corrections=corrections)
    parts = label_folder(fit, rows, corrections=corrections, block_rows=7)
    torch.testing.assert_close(parts.logits, whole.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pool", ["useless", "none"])
def test_the_folder_teaches_where_the_pool_does_not(pool: str) -> None:
    """Where the prompts are off and the pool says nothing, labels are righter than the prompts' own."""
    fit = fit_of(weight=0.0)
    rows, labels = folder_of(fit, 600, spread=0.2)
    given = fit if pool == "useless" else inductive_from_folder(fit.text, fit.logit_scale, rows)
    before = (given.logits(rows).argmax(dim=1) == labels).float().mean()
    after = (label_folder(given, rows).logits.argmax(dim=1) == labels).float().mean()
    assert after > before + 0.02


def test_an_empty_folder_gives_no_fit() -> None:
    """There is nothing to take moments from."""
    with pytest.raises(InputError, match="at least one"):
        inductive_from_folder(torch.eye(3), 100.0, torch.zeros(0, 3))


def test_outsiders_are_known_by_their_company() -> None:
    """An outsider that looks like a class by chance stands among others that do not."""
    fit = fit_of()
    fit = InductiveFit(**{**vars(fit), "pool_mean": 0 * fit.pool_mean})
    rows, _ = folder_of(fit, 120)
    generator = torch.Generator().manual_seed(5)
    # They share a direction of their own, and some lie near a prompt.
    alien = normalize(torch.randn(DIM, generator=generator) - 1.0, dim=0)
    others = normalize(alien + 0.12 * torch.randn(60, DIM, generator=generator))
    others[:6] = normalize(others[:6] + 0.5 * fit.text[:6])
    score = label_folder(fit, torch.cat([rows, others])).none_of_these
    assert score[120:126].min() > score[:120].median()
    assert score[126:].min() > score[:120].max()


def test_no_image_votes_for_itself() -> None:
    """An image alone among images of other classes gets no more of the folder's term than its prompt gives."""
    fit = fit_of()
    rows, labels = folder_of(fit, 60)
    said = label_folder(fit, rows, corrections=torch.where(torch.arange(60) == 7, labels, UNSAID))
    wrong = label_folder(
        fit, rows, corrections=torch.where(torch.arange(60) == 7, (labels + 1) % CLASSES, UNSAID)
    )
    # Its own answer reaches it through others alone: far less than the answer itself would.
    assert (said.logits[7] - wrong.logits[7]).abs().max() < 2.0
    assert said.labels[7] == labels[7]
    assert wrong.labels[7] == (labels[7] + 1) % CLASSES


@pytest.mark.parametrize("copies", [2, 300])
@pytest.mark.parametrize("how", ["equal", "grouped"])
def test_duplicates_count_once(copies: int, how: str) -> None:
    """Copies change no label of another image, and are labelled alike."""
    fit = fit_of()
    rows, _ = folder_of(fit, 60)
    copied = rows[:1].repeat(copies - 1, 1)
    groups = None
    if how == "grouped":
        # Near-duplicates spread evenly around the image: their mean is the image.
        away = 1e-3 * torch.randn(copied.shape, generator=torch.Generator().manual_seed(0))
        copied = normalize(copied + away)
        groups = torch.cat([torch.arange(60), torch.zeros(copies - 1, dtype=torch.int64)])
    alone = label_folder(fit, rows)
    crowded = label_folder(fit, torch.cat([rows, copied]), groups=groups)
    close = {"rtol": 0.0, "atol": 0.0 if how == "equal" else 0.1}
    torch.testing.assert_close(crowded.logits[:60], alone.logits, **close)
    assert (crowded.logits[60:] == crowded.logits[0]).all()


@pytest.mark.parametrize("weight", [0.0, 6.0])
@pytest.mark.parametrize(
    "case", ["none", "one", "one class", "outsiders", "copies", "constant prompt", "all said", "all none"]
)
def test_no_folder_gives_nan(case: str, weight: float) -> None:
    """Everything is finite, probabilities and shares sum to 1, whatever lies in the folder."""
    fit = fit_of(weight=weight)
    rows, labels = folder_of(fit, 60)
    corrections = None
    if case == "none":
        rows = rows[:0]
    if case == "one":
        rows = rows[:1]
    if case == "one class":
        rows = rows[labels == 2]
    if case == "outsiders":
        rows = normalize(-rows)
    if case == "copies":
        rows = rows[:1].repeat(300, 1)
    if case == "constant prompt":
        fit = InductiveFit(
            **{**vars(fit), "text": fit.text[:1].repeat(CLASSES, 1), "offset": torch.zeros(CLASSES)}
        )
    if case == "all said":
        corrections = labels
    if case == "all none":
        corrections = torch.full_like(labels, NONE_OF_THESE)
    sound(label_folder(fit, rows, corrections=corrections), rows)


@pytest.mark.parametrize(("classes", "count"), [(1, 1), (1, 40), (5000, 20), (5000, 300)])
def test_any_number_of_classes(classes: int, count: int) -> None:
    """One class, and far more classes than images."""
    fit = fit_of(classes)
    rows, _ = folder_of(fit, count)
    sound(label_folder(fit, rows), rows)


def sound(labels: FolderLabels, rows: Tensor) -> None:
    assert labels.logits.shape == labels.probabilities.shape == (len(rows), len(labels.shares))
    for values in (labels.logits, labels.probabilities, labels.none_of_these, labels.shares):
        assert torch.isfinite(values).all()
    torch.testing.assert_close(labels.probabilities.sum(dim=1), torch.ones(len(rows)))
    assert float(labels.shares.sum()) == pytest.approx(1, abs=1e-4)
    assert ((labels.none_of_these >= 0) & (labels.none_of_these <= 1)).all()
    estimate = estimated_accuracy(labels)
    assert 0 <= estimate.low <= estimate.high <= 1
    asked = ask_next(labels, rows, None, 5)
    unsaid = int((labels.corrections == UNSAID).sum())
    assert len(asked.unique()) == len(asked) == min(5, unsaid)


def test_answers_spread_to_images_that_look_alike() -> None:
    """A person who calls a few images of one class another moves the rest of them that way, and no other class."""
    fit = fit_of()
    rows, labels = folder_of(fit, 300)
    said = (labels == 2) & (torch.arange(300) < 60)
    before = label_folder(fit, rows).logits
    after = label_folder(fit, rows, corrections=torch.where(said, 3, UNSAID)).logits
    moved = (after[:, 3] - after[:, 2]) - (before[:, 3] - before[:, 2])
    assert moved[(labels == 2) & ~said].mean() > 2.0
    assert moved[labels == 5].mean() < moved[(labels == 2) & ~said].mean() / 2


def test_answers_of_a_group_that_differ_say_nothing_of_it() -> None:
    """Two people disagree about near-duplicates: the fit stands as without them, each answer is kept."""
    fit = fit_of()
    rows, _ = folder_of(fit, 30)
    groups = torch.arange(30) // 2
    corrections = torch.full((30,), UNSAID)
    corrections[:2] = torch.tensor([1, 3])
    found = label_folder(fit, rows, corrections=corrections, groups=groups)
    assert torch.equal(found.logits, label_folder(fit, rows, groups=groups).logits)
    assert found.labels[:2].tolist() == [1, 3]


def test_what_does_not_fit_is_refused() -> None:
    """Widths, lengths and classes are checked."""
    fit = fit_of()
    rows, _ = folder_of(fit, 5)
    with pytest.raises(MismatchError, match="columns"):
        label_folder(fit, rows[:, :-1])
    with pytest.raises(MismatchError, match="2 groups for 5"):
        label_folder(fit, rows, groups=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InputError, match="0 to 5"):
        label_folder(fit, rows, corrections=torch.tensor([0, 1, 2, 3, 6]))


def as_numpy(fit: InductiveFit) -> InductiveFit:
    """Return the same fit as arrays, with what torch draws for outsiders."""
    fields = {field.name: getattr(fit, field.name) for field in dataclasses.fields(fit)}
    arrays = {name: value.numpy() if isinstance(value, Tensor) else value for name, value in fields.items()}
    return type(fit)(**arrays | {"outer": fit.outsiders})


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 60),
    weight=st.sampled_from([0.0, 3.0, 6.0]),
    labelled=st.sampled_from(["no", "some", "every"]),
    pooled=st.booleans(),
)
def test_numpy_gives_what_torch_gives(
    seed: int, count: int, weight: float, labelled: str, pooled: bool
) -> None:
    """One formula, two libraries: with corrections and groups, with and without a pool, with labelled images."""
    assume(count > 8)  # what one image says of itself without itself is rounding alone
    fit = fit_of(weight=weight)
    rows, labels = folder_of(fit, count, seed)
    if not pooled:
        fit = inductive_from_folder(fit.text, fit.logit_scale, rows)
        arrays = inductive_from_folder(fit.text.numpy(), fit.logit_scale, rows.numpy())
        assert np.abs(arrays.matrix - fit.matrix.numpy()).max() < 1e-3 * float(fit.matrix.abs().max())
    if labelled != "no":
        trust = torch.full((CLASSES,), 0.5)
        trust[CLASSES // 2 :] *= labelled == "every"
        fit = LabelledFit(
            **vars(fit), labelled_mean=fit.mean.float(), labelled_matrix=fit.matrix.float(), labelled_prototypes=normalize(fit.text),
            trust=trust, stranger=0.2, every_class=labelled == "every",
        )  # fmt: skip
    said = torch.where(torch.arange(count) % 5 == 0, labels, torch.full_like(labels, UNSAID))
    groups = torch.arange(count) // 2
    one = label_folder(fit, rows, corrections=said, groups=groups)
    other = label_folder(as_numpy(fit), rows.numpy(), corrections=said.numpy(), groups=groups.numpy())
    for name in ("logits", "probabilities", "none_of_these", "shares", "mean"):
        expected = getattr(one, name).numpy()
        assert np.abs(getattr(other, name) - expected).max() <= 1e-3 * max(1.0, np.abs(expected).max())
    assert isinstance(other.labels, np.ndarray)
    assert estimated_accuracy(other).value == pytest.approx(
        estimated_accuracy(one).value, abs=1e-3, nan_ok=True
    )
    again = label_folder(as_numpy(fit), rows.numpy(), corrections=said.numpy(), groups=groups.numpy())
    assert np.array_equal(other.logits, again.logits)
