"""The training loop: resumable bit for bit, deterministic by seed, right gradients, and words when it fails."""

from __future__ import annotations

import dataclasses
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from susx.errors import TrainingError
from susx.methods import Run
from susx.methods.training import Recipe, stable_order, train

ROWS = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3
START = {"weight": torch.zeros(3, 8), "bias": torch.zeros(3)}


def loss(now, rows, generator):
    noisy = ROWS[rows] + 0.1 * torch.randn(len(rows), 8, generator=generator)
    return torch.nn.functional.cross_entropy(noisy @ now["weight"].T + now["bias"], LABELS[rows])


def trained(recipe: Recipe, **run):
    return train("line", START, 40, loss, recipe, Run(**run), evidence="rows")


RECIPES = {
    "adamw": Recipe(4, 16, 0.05),
    "adam": Recipe(4, 16, 0.05, "adam", weight_decay=0.0),
    "sgd": Recipe(4, 16, 0.05, "sgd", weight_decay=5e-4, warm_up=1),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_the_seed_decides(recipe: Recipe) -> None:
    """Equal seeds give equal bits, other seeds other weights; the loss falls and has an entry an epoch."""
    first, second, other = trained(recipe), trained(recipe), trained(recipe, seed=1)
    assert all(torch.equal(first.parameters[name], second.parameters[name]) for name in START)
    assert not torch.equal(first.parameters["weight"], other.parameters["weight"])
    assert len(first.losses) == 4
    assert first.losses[-1] < first.losses[0]
    assert not START["weight"].any()


def test_the_schedule_is_a_cosine_after_the_warm_up() -> None:
    """The warm-up's rate through its epochs, then the cosine at its own place, to nearly 0 at the end."""
    recipe = Recipe(10, 16, 0.1, warm_up=1, warm_up_rate=1e-5)
    assert [recipe.rate_at(step, 30, 3) for step in (0, 2)] == [1e-5, 1e-5]
    assert recipe.rate_at(15, 30, 3) == pytest.approx(0.05)
    assert 0 < recipe.rate_at(29, 30, 3) < 0.001


def test_parts_of_a_batch_add_up_to_it() -> None:
    """Gradients accumulated over parts give the step of the whole batch."""
    still = lambda now, rows, generator: torch.nn.functional.cross_entropy(  # noqa: E731
        ROWS[rows] @ now["weight"].T + now["bias"], LABELS[rows]
    )
    whole, parts = (
        train("line", START, 40, still, Recipe(2, 16, 0.05, "sgd", at_once=part), Run(), evidence="")
        for part in (None, 5)
    )
    torch.testing.assert_close(whole.parameters["weight"], parts.parameters["weight"], rtol=1e-5, atol=1e-6)


def test_no_epochs_change_nothing() -> None:
    """Without epochs the parameters are those at the start."""
    assert torch.equal(trained(Recipe(0, 16, 0.05)).parameters["weight"], START["weight"])


def test_a_loss_that_is_no_number_stops() -> None:
    """The step and the learning rate are named."""
    recipe = Recipe(2, 16, 0.05)

    def bad(now, rows, generator):
        return loss(now, rows, generator) * (float("nan") if now["bias"].any() else 1.0)

    with pytest.raises(TrainingError, match=r"loss became nan at step 2 of 6 with learning rate 0\.0467"):
        train("line", START, 40, bad, recipe, Run(), evidence="")


def test_a_long_training_says_so_and_goes_on(caplog: pytest.LogCaptureFixture, monkeypatch) -> None:
    """After the first steps the time that is left is said; a long one is a warning."""
    monkeypatch.setattr("susx.methods.training._LONG_SECONDS", 0.0)
    told = []
    with caplog.at_level(logging.WARNING):
        result = trained(Recipe(3, 16, 0.05), progress=lambda *facts: told.append(facts))
    assert "about 0 s left on cpu for 9 steps" in caplog.text
    assert [words for step, _, words in told if step == 5] == ["line: about 0 s left on cpu"]
    assert told[-1][:2] == (9, 9)
    assert len(result.losses) == 3


SCRIPT = """
import sys, time
from pathlib import Path
import torch
from susx.methods import Run
from susx.methods import training
from susx.methods.training import Recipe, train
training.SAVE_SECONDS = 0.0
rows = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
labels = torch.arange(40) % 3

def loss(now, batch, generator):
    print("step", flush=True)
    time.sleep(float(sys.argv[2]))
    noisy = rows[batch] + 0.1 * torch.randn(len(batch), 8, generator=generator)
    return torch.nn.functional.cross_entropy(noisy @ now["weight"].T + now["bias"], labels[batch])

start = {"weight": torch.zeros(3, 8), "bias": torch.zeros(3)}
train("line", start, 40, loss, Recipe(4, 16, 0.05, sys.argv[3]), Run(folder=Path(sys.argv[1])), evidence="rows")
"""


def test_a_killed_training_resumed_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch) -> None:
    """SIGKILL in the middle of an epoch; the next run goes on there, and ends with the same bits and losses."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "0.05", "adamw"]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    for _ in range(8):
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    whole, steps = trained(Recipe(4, 16, 0.05, "adamw")), []
    resumed = trained(
        Recipe(4, 16, 0.05, "adamw"), folder=tmp_path, progress=lambda *facts: steps.append(facts[0])
    )
    assert 7 <= steps[0] < 12
    assert resumed.losses == whole.losses
    assert all(torch.equal(resumed.parameters[name], whole.parameters[name]) for name in START)
    (kept,) = tmp_path.glob("line-*.safetensors")
    assert set(load_file(kept)) == {"parameter.weight", "parameter.bias"}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_an_interrupted_training_goes_on(recipe: Recipe, tmp_path: Path, monkeypatch) -> None:
    """Every optimiser's own tensors are kept: interrupted at step 8, the rest gives the same bits."""
    monkeypatch.setattr("susx.methods.training.SAVE_SECONDS", 0.0)
    calls = []

    def breaks(now, rows, generator):
        calls.append(rows)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss(now, rows, generator)

    with pytest.raises(KeyboardInterrupt):
        train("line", START, 40, breaks, recipe, Run(folder=tmp_path), evidence="rows")
    resumed = train("line", START, 40, breaks, recipe, Run(folder=tmp_path), evidence="rows")
    assert len(calls) == 8 + 5
    whole = trained(recipe)
    assert resumed.losses == whole.losses
    assert all(torch.equal(resumed.parameters[name], whole.parameters[name]) for name in START)


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    """Another recipe, seed or evidence is another file; one that is torn is told and begun anew."""
    recipe = Recipe(2, 16, 0.05)
    plain = trained(recipe, folder=tmp_path)
    (file,) = tmp_path.iterdir()
    for change in ({"seed": 1}, {"folder": tmp_path}):
        trained(dataclasses.replace(recipe, rate=0.06), **{"folder": tmp_path} | change)
    assert len([*tmp_path.iterdir()]) == 3
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(trained(recipe, folder=tmp_path).parameters["weight"], plain.parameters["weight"])


def test_the_order_is_that_of_the_contents() -> None:
    """Shuffled rows and renumbered classes come back in one order."""
    text = torch.eye(3, 8)
    shuffle = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    once = stable_order(ROWS, LABELS, text)
    twice = stable_order(ROWS[shuffle], LABELS[shuffle], text)
    assert torch.equal(ROWS[once], ROWS[shuffle][twice])
    assert torch.equal(LABELS[once], LABELS[shuffle][twice])


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    """What is in the folder is returned, with its losses and seconds."""
    first = trained(Recipe(4, 16, 0.05), folder=tmp_path)

    def never(now, rows, generator):
        raise AssertionError("a finished training took a step")

    again = train("line", START, 40, never, Recipe(4, 16, 0.05), Run(folder=tmp_path), evidence="rows")
    assert again.losses == first.losses
    assert torch.equal(again.parameters["weight"], first.parameters["weight"])


def flushing() -> bool:
    return bool(torch.tensor([1e-323], dtype=torch.float64)[0] == 0)


@pytest.mark.parametrize("before", [False, True])
def test_denormals_are_flushed_while_training_alone(before: bool) -> None:
    """The loss and its gradient see none; what was set before is set after, when it stops as well."""
    seen: list[bool] = []

    def loss(now, rows, generator):  # type: ignore[no-untyped-def]
        seen.append(flushing())
        now["p"].register_hook(lambda gradient: seen.append(flushing()))
        return now["p"].square().sum() * (1.0 if len(seen) < 5 else float("nan"))

    torch.set_flush_denormal(before)
    try:
        train("t", {"p": torch.ones(2)}, 2, loss, Recipe(1, 2, 0.1), Run(), evidence="")
        assert seen == [True, True]
        assert flushing() == before
        with pytest.raises(TrainingError, match="at step"):
            train("t", {"p": torch.ones(2)}, 2, loss, Recipe(9, 2, 0.1), Run(), evidence="")
        assert flushing() == before
    finally:
        torch.set_flush_denormal(False)


def test_a_last_step_that_is_no_number_is_refused() -> None:
    """A finite loss with an infinite gradient: no later loss would notice."""
    with pytest.raises(
        TrainingError, match=r"t: p became infinite or NaN at the last of 1 steps with learning rate 0\.1"
    ):
        train(
            "t", {"p": torch.zeros(2)}, 2, lambda now, rows, generator: now["p"].sqrt().sum(),
            Recipe(1, 2, 0.1, optimizer="sgd"), Run(), evidence="",
        )  # fmt: skip
