"""What `--dry-run` says is what the build then does, edit after edit."""

from __future__ import annotations

import random

import pytest

CLASSES = ["banded", "dotted", "grid", "woven"]


def delete_features(world, choice):
    for path in world.artefact("encode-images", "fetch/banded").iterdir():
        path.unlink()


def damage_image(world, choice):
    image = max(world.artefact("fetch", "banded").rglob("images/*"), key=lambda path: path.stat().st_size)
    image.write_bytes(image.read_bytes()[: choice.randint(1, 99)])


EDITS = {
    "alpha": lambda world, choice: world.change(f"methods.tip_x.alpha={choice.uniform(1, 9):.3f}"),
    "classes": lambda world, choice: world.write(
        classes=["banded", *choice.sample([*CLASSES[1:], "zigzagged"], choice.choice([2, 3, 4]))]
    ),
    "prompt": lambda world, choice: world.write(photo_prompt=f"{{}} texture {choice.randint(0, 10**6)}."),
    "per class": lambda world, choice: world.change(per_class=choice.choice([1, 2])),
    "deleted": delete_features,
    "damaged": damage_image,
    "nothing": lambda world, choice: None,
}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 9))]
)
def test_a_dry_run_foretells_the_build(world, seed):
    """Fresh is kept; stale and missing are made; only what waits may go either way, and it waits for something made."""
    choice = random.Random(seed)
    waited = 0
    for name in choice.sample(list(EDITS), len(EDITS)):
        EDITS[name](world, choice)
        planned = {(entry.job.stage, entry.job.subject): entry.state for entry in world.plan()}
        computed = world.computed()
        sure = {pair for pair, state in planned.items() if state in {"stale", "missing"}}
        waiting = {pair for pair, state in planned.items() if state == "waits"}
        assert set(planned.values()) <= {"fresh", "stale", "missing", "waits"}
        assert sure <= computed <= sure | waiting, name
        assert sure or not waiting
        waited += len(waiting - computed)
    assert waited, "no job waited in vain: the state is not tried"


def test_a_new_class_leaves_the_others_fresh(world):
    """One class more: it is missing; images and features of the others are fresh, and what looks at all waits or is stale."""
    world.write(classes=[*CLASSES, "zigzagged"])
    planned = {(entry.job.stage, entry.job.subject): entry for entry in world.plan()}
    assert planned["search", "zigzagged"].state == "missing"
    assert planned["fetch", "zigzagged"].state == "missing"
    for name in CLASSES:
        assert planned["fetch", name].state == "fresh"
        assert planned["encode-images", f"fetch/{name}"].state == "fresh"
    assert planned["curate", ""].state == "stale"
