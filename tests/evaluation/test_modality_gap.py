"""The histograms hold every pair once, in the right one."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from susx.errors import InputError, MismatchError
from susx.evaluation import centroid_gap, cosine_histograms, intra_modal_overlap, overlap
from susx.evaluation import modality_gap as module


def _rows(n: int, dim: int = 8, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_pairs_and_means_by_a_double_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and means agree with a plain loop over pairs, across chunks."""
    monkeypatch.setattr(module, "_CHUNK", 4)
    images, labels, text = _rows(11), torch.tensor([0, 0, 1, 2, 2, 2, 1, 0, 1, 1, 2]), _rows(3, seed=1)
    expected: dict[str, list[float]] = {}
    for i in range(11):
        for j in range(i + 1, 11):
            kind = "same" if labels[i] == labels[j] else "other"
            expected.setdefault(f"image-image, {kind} class", []).append(float(images[i] @ images[j]))
        for c in range(3):
            kind = "same" if labels[i] == c else "other"
            expected.setdefault(f"image-text, {kind} class", []).append(float(images[i] @ text[c]))
    expected["text-text"] = [float(text[a] @ text[b]) for a in range(3) for b in range(a + 1, 3)]
    found = {h.name: h for h in cosine_histograms(images, labels, text, bins=20)}
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert sum(found[name].counts) == len(values)
        assert found[name].mean == pytest.approx(sum(values) / len(values), abs=1e-6)
        cut = sum(found[name].counts[:10])
        assert cut == sum(v < 0 for v in values)


def test_overlap_ends() -> None:
    """A histogram overlaps itself wholly; tight, distant classes hardly overlap; noise labels overlap."""
    centres = torch.eye(8)[:4]
    labels = torch.arange(4).repeat_interleave(30)
    tight = normalize(centres[labels] + 0.05 * _rows(120), dim=1)
    apart = cosine_histograms(tight, labels, centres)
    assert intra_modal_overlap(apart) < 0.01
    mixed = cosine_histograms(_rows(400), torch.arange(400) % 4, centres, bins=50)
    assert intra_modal_overlap(mixed) > 0.9
    one, *_ = apart
    assert overlap(one, one) == pytest.approx(1.0)


def test_many_images_are_sampled_the_same_way_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a sample is compared; the same seed takes the same one."""
    monkeypatch.setattr(module, "_MOST_IMAGES", 50)
    images, labels, text = _rows(200), torch.arange(200) % 5, _rows(5, seed=3)
    once = cosine_histograms(images, labels, text, seed=4)
    assert once == cosine_histograms(images, labels, text, seed=4)
    assert once != cosine_histograms(images, labels, text, seed=5)
    assert sum(sum(h.counts) for h in once if h.name.startswith("image-image")) == 50 * 49 // 2


def test_centroid_gap_is_a_distance() -> None:
    """Two clouds around opposite poles are two apart."""
    up = torch.tensor([[0.0, 1.0]])
    assert centroid_gap(up, -up) == pytest.approx(2.0)
    assert centroid_gap(up, up) == 0.0


@pytest.mark.untyped
def test_what_does_not_fit_is_refused() -> None:
    """Other widths, labels without a text, and sets without pairs are named."""
    with pytest.raises(MismatchError, match="dimensions"):
        cosine_histograms(_rows(4), torch.zeros(4, dtype=torch.long), _rows(2, dim=5))
    with pytest.raises(InputError, match="labels below 2"):
        cosine_histograms(_rows(4), torch.tensor([0, 1, 2, 0]), _rows(2))
    assert (
        intra_modal_overlap(cosine_histograms(_rows(3), torch.zeros(3, dtype=torch.long), _rows(2))) is None
    )
