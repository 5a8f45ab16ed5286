"""Methods that see a whole folder at once: what they all keep, and each against its formula written out again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.mixture_loops import stata_loop, transclip_loop
from susx.errors import ConfigError
from susx.methods import METHODS, Evidence, ImageFeatures, Sinkhorn, StatA, TransClip, ZeroShot, Zlap
from susx.methods.functional.mixture import class_log_densities

CLASSES, DIM, EACH, SCALE = 6, 32, 15, 40.0
FOLDER_WISE = {
    name: method
    for name, method in METHODS.items()
    if "folder" in method.access and name != "tip_x_published"
}
NAMES_ALONE = [name for name, method in FOLDER_WISE.items() if "pool" not in method.access]


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows)


def _folder(classes: int = CLASSES) -> tuple[Evidence, torch.Tensor, torch.Tensor]:
    """Prompts, images of some of the classes around a centre beside each prompt, and their classes."""
    draw = torch.Generator().manual_seed(3)
    text = _unit(torch.randn(CLASSES, DIM, generator=draw) + 0.4)
    centres = _unit(text + 0.9 * _unit(torch.randn(CLASSES, DIM, generator=draw)))
    labels = torch.arange(classes).repeat_interleave(EACH)
    images = _unit(centres[labels] + 1.0 * torch.randn(len(labels), DIM, generator=draw) / DIM**0.5)
    support = torch.arange(CLASSES).repeat_interleave(3)
    shots = _unit(centres[support] + 0.8 * torch.randn(len(support), DIM, generator=draw) / DIM**0.5)
    return Evidence(text, SCALE, shots, support), images, labels


def _logits(method: Any, evidence: Evidence, images: torch.Tensor) -> torch.Tensor:
    return method.logits(method.fit(evidence), ImageFeatures(images))


@pytest.mark.parametrize("name", FOLDER_WISE)
def test_the_order_of_a_folder_does_not_matter(name: str) -> None:
    """An image's logits depend on the others, not on where it lies among them."""
    evidence, images, _ = _folder()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    found = _logits(METHODS[name](), evidence, images[order])
    torch.testing.assert_close(found, _logits(METHODS[name](), evidence, images)[order], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES_ALONE)
def test_the_order_of_classes_permutes_columns(name: str) -> None:
    """And nothing else."""
    evidence, images, _ = _folder()
    order = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(1))
    moved = Evidence(evidence.text_classifier[order], SCALE)
    found = _logits(METHODS[name](), moved, images)
    torch.testing.assert_close(
        found, _logits(METHODS[name](), evidence, images)[:, order], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", FOLDER_WISE)
def test_a_folder_teaches(name: str) -> None:
    """On a folder of all classes each beats the prompts alone, and an image's logits are others when it comes alone."""
    evidence, images, labels = _folder()
    right = lambda logits: float((logits.argmax(dim=1) == labels).double().mean())  # noqa: E731
    found = _logits(METHODS[name](), evidence, images)
    assert right(found) > right(_logits(ZeroShot(), evidence, images))
    alone = torch.cat([_logits(METHODS[name](), evidence, image[None]) for image in images[::9]])
    assert (alone.softmax(dim=1) - found[::9].softmax(dim=1)).abs().max() > 1e-2


@pytest.mark.parametrize("name", FOLDER_WISE)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_small_folders_are_legal(name: str, count: int) -> None:
    """One image and fewer than the neighbours asked for, of a folder that lacks most classes."""
    evidence, images, _ = _folder(1)
    assert torch.isfinite(_logits(METHODS[name](), evidence, images[:count])).all()


@pytest.mark.parametrize("name", FOLDER_WISE)
def test_copies_of_one_image_are_legal(name: str) -> None:
    """Nothing varies, and nothing is divided by nothing."""
    evidence, images, _ = _folder()
    assert torch.isfinite(_logits(METHODS[name](), evidence, images[:1].expand(12, -1).contiguous())).all()


@pytest.mark.parametrize(("method", "loop"), [(TransClip(), transclip_loop), (StatA(), stata_loop)])
@pytest.mark.parametrize("classes", [CLASSES, 2])
def test_mixtures_are_their_released_loops(method: Any, loop: Any, classes: int) -> None:
    """Shares equal to 1e-4 of a direct reading in float32, with all classes present and with a third of them."""
    evidence, images, _ = _folder(classes)
    found = _logits(method, evidence, images).exp()
    torch.testing.assert_close(found, loop(images, evidence.text_classifier, SCALE), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("method", "loop"), [(TransClip(), transclip_loop), (StatA(), stata_loop)])
@pytest.mark.parametrize("classes", [CLASSES, 2])
def test_what_parts_mixtures_from_their_loops_is_rounding(method: Any, loop: Any, classes: int) -> None:
    """With everything in float64 shares are equal to 1e-8."""
    evidence, images, _ = _folder(classes)
    text, rows = evidence.text_classifier.double(), images.double()
    state = replace(method.fit(evidence), text=text)
    found = method.scores(state, rows, None).exp()
    torch.testing.assert_close(found, loop(rows, text, SCALE), rtol=0, atol=1e-8)


def test_densities_of_a_covariance_a_class_are_normal_ones() -> None:
    """With their determinant, to 1e-10; what all classes share is left out."""
    draw = torch.Generator().manual_seed(0)
    rows, means = (torch.randn(count, DIM, generator=draw).double() for count in (9, CLASSES))
    variances = torch.rand(CLASSES, DIM, generator=draw).double() + 0.1
    normal = torch.distributions.Normal(means, variances.sqrt())
    expected = normal.log_prob(rows[:, None]).sum(dim=2) + DIM / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(class_log_densities(rows, means, variances), expected, rtol=1e-10, atol=1e-10)


def test_a_heavy_anchor_keeps_the_prompts_as_means() -> None:
    """With an anchor beyond all counts a folder of one class moves nothing but variances: each mean is its prompt."""
    evidence, images, _ = _folder(1)
    loop = stata_loop(images, evidence.text_classifier, SCALE, anchor=1e9)
    found = _logits(StatA(anchor=1e9), evidence, images).exp()
    torch.testing.assert_close(found, loop, rtol=0, atol=1e-4)


def test_zlap_is_the_inverse_written_out() -> None:
    """(I - alpha W)^-1 of the dense graph, edge by edge, to 1e-5."""
    evidence, images, _ = _folder()
    text, rows = evidence.text_classifier.double().numpy(), images.double().numpy()
    count = len(rows)
    graph = np.zeros((CLASSES + count, CLASSES + count))
    for i, row in enumerate(rows):
        for j in np.argsort(-rows @ row)[:5]:
            if j != i:
                graph[CLASSES + i, CLASSES + j] = max(0.0, row @ rows[j])
        for c in np.argsort(-text @ row)[:5]:
            graph[CLASSES + i, c] = max(0.0, row @ text[c]) ** 5
    graph += graph.T
    scale = 1 / np.sqrt(graph.sum(axis=1))
    reached = np.linalg.inv(np.eye(len(graph)) - 0.3 * scale[:, None] * graph * scale)[CLASSES:, :CLASSES]
    np.testing.assert_allclose(
        _logits(Zlap(), evidence, images).double().exp().numpy(), reached, rtol=1e-4, atol=1e-9
    )


def test_a_node_passes_on_less_than_it_has() -> None:
    """At alpha = 1 the series has no end."""
    with pytest.raises(ConfigError, match=r"alpha must be below 1"):
        Zlap(alpha=1.0)


@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_a_balanced_assignment_is_scaling_written_out(prior: float) -> None:
    """Columns to their shares, rows to 1, twenty times, to 1e-5."""
    evidence, images, _ = _folder(2)
    plan = (SCALE * images.double() @ evidence.text_classifier.double().T).softmax(dim=1) / len(images)
    shares = plan.sum(dim=0) ** prior
    for _ in range(20):
        plan = plan / plan.sum(dim=0) * (shares / shares.sum())
        plan = plan / plan.sum(dim=1, keepdim=True) / len(images)
    found = _logits(Sinkhorn(prior), evidence, images).exp()
    torch.testing.assert_close(found, (plan * len(images)).float(), rtol=1e-4, atol=1e-5)


def test_many_rounds_give_every_class_equally_many() -> None:
    """The balance that the method is named for."""
    evidence, images, _ = _folder(2)
    sums = _logits(Sinkhorn(rounds=2000), evidence, images).exp().sum(dim=0)
    torch.testing.assert_close(sums, torch.full((CLASSES,), len(images) / CLASSES), rtol=1e-3, atol=1e-3)


def test_the_prompts_shares_are_zero_shot() -> None:
    """prior = 1 keeps what the prompts give, and changes nothing."""
    evidence, images, _ = _folder()
    found = _logits(Sinkhorn(prior=1.0), evidence, images)
    zero_shot = _logits(ZeroShot(), evidence, images).log_softmax(dim=1)
    torch.testing.assert_close(found, zero_shot, rtol=1e-3, atol=1e-3)
