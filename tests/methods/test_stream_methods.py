"""Methods that see images one after the other: what they all keep, and each against its caches kept as plain lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from susx.methods import METHODS, Dmn, Ecalp, Evidence, ImageFeatures, Tda, ZeroShot

CLASSES, DIM, EACH, SCALE = 5, 24, 16, 25.0
STREAMS = [name for name, method in METHODS.items() if "stream" in method.access]


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows)


def _stream(seed: int = 0) -> tuple[Evidence, torch.Tensor, torch.Tensor]:
    """Prompts, and images of all classes around a centre beside each prompt, in a drawn order, with their classes."""
    draw = torch.Generator().manual_seed(3)
    text = _unit(torch.randn(CLASSES, DIM, generator=draw) + 0.4)
    centres = _unit(text + 1.1 * _unit(torch.randn(CLASSES, DIM, generator=draw)))
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    images = _unit(centres[labels] + 0.9 * torch.randn(len(labels), DIM, generator=draw) / DIM**0.5)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return Evidence(text, SCALE), images[order], labels[order]


def _logits(method: Any, evidence: Evidence, images: torch.Tensor) -> torch.Tensor:
    return method.logits(method.fit(evidence), ImageFeatures(images))


@pytest.mark.parametrize("name", STREAMS)
def test_what_comes_later_has_no_say(name: str) -> None:
    """An image's logits are those of the stream that ends with it."""
    evidence, images, _ = _stream()
    whole = _logits(METHODS[name](), evidence, images)
    for end in (1, 7, 30):
        part = _logits(METHODS[name](), evidence, images[:end])
        torch.testing.assert_close(part, whole[:end], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", STREAMS)
def test_what_came_before_has_a_say(name: str) -> None:
    """Another order gives an image other logits, which is why a stream's result is of several orders."""
    evidence, images, _ = _stream()
    back = _logits(METHODS[name](), evidence, images.flip(0)).flip(0)
    assert (back.softmax(1) - _logits(METHODS[name](), evidence, images).softmax(1)).abs().max() > 1e-3


@pytest.mark.parametrize("name", STREAMS)
def test_the_order_of_classes_permutes_columns(name: str) -> None:
    """And nothing else."""
    evidence, images, _ = _stream()
    order = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(1))
    found = _logits(METHODS[name](), Evidence(evidence.text_classifier[order], SCALE), images)
    torch.testing.assert_close(
        found, _logits(METHODS[name](), evidence, images)[:, order], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_costs_nothing(name: str) -> None:
    """Over five orders no fewer images are right than by the prompts alone."""
    gained = 0
    for seed in range(5):
        evidence, images, labels = _stream(seed)
        for method, sign in ((METHODS[name](), 1), (ZeroShot(), -1)):
            gained += sign * int((_logits(method, evidence, images).argmax(dim=1) == labels).sum())
    assert gained >= 0


@pytest.mark.parametrize("name", STREAMS)
def test_short_streams_and_copies_are_legal(name: str) -> None:
    """One image, and the same one over and over, with one class too."""
    evidence, images, _ = _stream()
    for rows in (images[:1], images[:1].expand(70, -1).contiguous()):
        assert torch.isfinite(_logits(METHODS[name](), evidence, rows)).all()
        one = Evidence(evidence.text_classifier[:1], SCALE)
        assert torch.isfinite(_logits(METHODS[name](), one, rows)).all()


def _kept(cache: list[tuple[float, int]], item: tuple[float, int], places: int) -> None:
    """Put an item into a list that is sorted by entropy, where there is room or it beats the last."""
    if len(cache) < places:
        cache.append(item)
    elif item[0] < cache[-1][0]:
        cache[-1] = item
    cache.sort()


def test_tda_is_two_sorted_lists() -> None:
    """Image by image with lists of (entropy, image), to 1e-5."""
    evidence, images, _ = _stream()
    rows, text = images.double().numpy(), evidence.text_classifier.double().numpy()
    positive: list[list[tuple[float, int]]] = [[] for _ in range(CLASSES)]
    negative: list[list[tuple[float, int]]] = [[] for _ in range(CLASSES)]
    logits = SCALE * rows @ text.T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected, spoke = logits.copy(), 0
    for i, row in enumerate(rows):
        doubt = -(shares[i] * np.log(shares[i])).sum()
        _kept(positive[shares[i].argmax()], (doubt, i), 3)
        if 0.2 < doubt / math.log2(CLASSES) < 0.5:
            _kept(negative[shares[i].argmax()], (doubt, i), 2)
        for label in range(CLASSES):
            for _, j in positive[label]:
                expected[i, label] += 2.0 * math.exp(-5.0 * (1 - row @ rows[j]))
            for _, j in negative[label]:
                spoke += 1
                expected[i] -= (
                    0.117 * math.exp(-1.0 * (1 - row @ rows[j])) * ((shares[j] > 0.03) & (shares[j] < 1.0))
                )
    assert spoke
    np.testing.assert_allclose(_logits(Tda(), evidence, images).numpy(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("places", [50, 2])
def test_dmn_is_a_sum_of_what_is_remembered(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image by image with the sums themselves, to 1e-5, also where a class has to forget."""
    monkeypatch.setattr("susx.methods.dmn._PLACES", places)
    evidence, images, _ = _stream()
    rows, text = images.double().numpy(), evidence.text_classifier.double().numpy()
    logits = SCALE * rows @ text.T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    memory: list[list[tuple[float, int]]] = [[] for _ in range(CLASSES)]
    expected = []
    for i, row in enumerate(rows):
        _kept(memory[shares[i].argmax()], (-(shares[i] * np.log(shares[i])).sum(), i), places)
        read = []
        for label in range(CLASSES):
            kept = np.stack([text[label], *(rows[j] for _, j in memory[label])])
            total = (np.exp(-5.5 * (1 - kept @ row))[:, None] * kept).sum(axis=0)
            read.append(SCALE * row @ total / np.linalg.norm(total))
        said = np.exp(read) / np.exp(read).sum()
        expected.append(np.log(shares[i] + said))
    np.testing.assert_allclose(_logits(Dmn(), evidence, images).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_memory_without_weight_is_zero_shot() -> None:
    """And both caches without theirs."""
    evidence, images, _ = _stream()
    expected = _logits(ZeroShot(), evidence, images).log_softmax(dim=1)
    torch.testing.assert_close(_logits(Dmn(weight=0.0), evidence, images), expected, rtol=1e-4, atol=1e-4)
    found = _logits(Tda(alpha=0.0, negative_alpha=0.0), evidence, images).log_softmax(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_ecalp_is_its_graph_made_anew_for_each_image() -> None:
    """Dense, edge by edge, with the newest image twice in it, to 1e-5."""
    evidence, images, _ = _stream()
    rows, text = images[:30].double().numpy(), evidence.text_classifier.double().numpy()
    variances = text.var(axis=0, ddof=1)
    weighed = rows * variances / np.linalg.norm(variances)
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    before: dict[int, np.ndarray] = {}
    expected = []
    for new in range(len(rows)):
        at = [*range(new + 1), new]
        cosines = np.array([[weighed[min(i, j)] @ rows[max(i, j)] for j in at] for i in at])
        graph = np.zeros((CLASSES + len(at), CLASSES + len(at)))
        for i, row in enumerate(at):
            for j in np.argsort(-cosines[i], kind="stable")[:8]:
                graph[CLASSES + i, CLASSES + j] = max(0.0, cosines[i, j]) ** 10
            for c in np.argsort(-text @ rows[row])[:3]:
                graph[CLASSES + i, c] = max(0.0, text[c] @ rows[row]) ** 10
        graph += graph.T
        scale = 1 / (np.sqrt(graph.sum(axis=1)) + 1e-6)
        passes = (scale[:, None] * graph * scale)[CLASSES:]
        scores = np.stack([before.get(i, np.zeros(CLASSES)) for i in range(len(at))])
        for _ in range(3):
            scores = passes @ np.concatenate([np.eye(CLASSES), scores])
        expected.append(scores[-1])
        before = {
            i: np.where(np.arange(CLASSES) == s.argmax(), s / 5, 0.0) for i, s in enumerate(scores[:-1])
        }
    found = _logits(Ecalp(), evidence, images[:30]).double().exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
