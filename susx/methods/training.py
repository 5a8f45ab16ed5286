"""Gradient descent for the methods that train: seeded batches, one schedule, checkpoints that a killed run takes up.

Everything random follows from the seed and the number of the epoch or step, and a checkpoint holds parameters and the
optimiser's own tensors, so that a training that was killed and resumed gives the weights of one that was not, bit for bit
(on one machine with one number of threads).
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from susx.errors import TrainingError
from susx.methods.base import Run
from susx.seeds import derive_seed
from susx.store.disk import write_atomically
from susx.store.fingerprint import digest_bytes, digest_json

__all__ = ["Recipe", "Trained", "digest_tensors", "full_precision", "stable_order", "train"]

logger = logging.getLogger(__name__)

SAVE_SECONDS = 5.0
"""At least this long between two checkpoints; the end is always kept."""
_ESTIMATE_STEPS = 5
_LONG_SECONDS = 600.0

AMP_DEVICES = frozenset({"cuda"})
"""Kinds of devices on which a recipe with ``amp`` trains in mixed precision: a CPU would only lose by it."""

Loss = Callable[[Mapping[str, Tensor], Tensor, torch.Generator], Tensor]
"""(parameters, rows of the batch, generator of the step) -> mean loss of those rows."""


@dataclass(frozen=True)
class Recipe:
    """How parameters are trained.

    Attributes:
        epochs: passes over the rows; 0 leaves the parameters as they begin.
        batch: rows a step; the last batch of an epoch may hold fewer and is never dropped.
        rate: learning rate, falling by a cosine to 0 over all steps.
        optimizer, weight_decay, eps, momentum: ``eps`` is AdamW's and Adam's, ``momentum`` SGD's.
        warm_up: epochs at ``warm_up_rate`` before the cosine takes over at its own place.
        at_once: rows of a batch that are in memory together; gradients of the parts are summed. None: the whole batch.
        amp: bfloat16 autocast on the devices of ``AMP_DEVICES``; see ``full_precision``.
    """

    epochs: int
    batch: int
    rate: float
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    weight_decay: float = 0.01
    eps: float = 1e-8
    momentum: float = 0.9
    warm_up: int = 0
    warm_up_rate: float = 1e-5
    at_once: int | None = None
    amp: bool = False

    def rate_at(self, step: int, steps: int, per_epoch: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warm_up * per_epoch:
            return self.warm_up_rate
        return self.rate * 0.5 * (1 + math.cos(math.pi * step / steps))

    def over(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        """Return the optimiser of some parameters."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                parameters, self.rate, momentum=self.momentum, weight_decay=self.weight_decay
            )
        kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
        return kind(parameters, self.rate, eps=self.eps, weight_decay=self.weight_decay)


@dataclass(frozen=True)
class Trained:
    """What came of a training: parameters on the CPU, the mean loss of each epoch, and all its seconds."""

    parameters: Mapping[str, Tensor]
    losses: tuple[float, ...]
    seconds: float


def digest_tensors(*tensors: Tensor | None) -> str:
    """Return sha256 over shapes, types and values."""
    plain = [t.detach().cpu().contiguous() for t in tensors if t is not None]
    parts = [
        [list(t.shape), str(t.dtype), digest_bytes(t.view(-1).view(torch.uint8).numpy().tobytes())]
        for t in plain
    ]
    return digest_json(parts)


def stable_order(
    features: Float[Tensor, "rows dim"], labels: Int64[Tensor, " rows"], text: Float[Tensor, "classes dim"]
) -> Int64[Tensor, " rows"]:
    """Return an order of the rows that their own order and the numbers of the classes have no part in."""
    rows, prompts = features.numpy(), text.numpy()
    keys = [
        rows[i].tobytes() + prompts[label].tobytes() + i.to_bytes(8, "big")
        for i, label in enumerate(labels.tolist())
    ]
    return torch.tensor(sorted(range(len(keys)), key=keys.__getitem__), dtype=torch.int64)


def train(
    subject: str,
    start: Mapping[str, Tensor],
    rows: int,
    loss: Loss,
    recipe: Recipe,
    run: Run,
    *,
    evidence: str,
) -> Trained:
    """Train parameters from where they start.

    Args:
        subject: what is trained, in messages and in the name of the checkpoint.
        start: name -> first value; left alone.
        rows: number of training rows.
        loss: see ``Loss``; called with parameters on ``run.device``.
        recipe: the schedule.
        run: seed, device, folder of checkpoints (a finished one is returned at once), progress.
        evidence: digest of what the loss looks at: a checkpoint of another training is never taken up.

    Raises:
        TrainingError: the loss, or a parameter after the last step, is not finite; names step and learning rate.
    """
    state = _Training(subject, start, rows, recipe, run, evidence)
    with torch.enable_grad(), _flushed_denormals():
        for step in state.steps():
            value = state.take(step, loss)
            if not math.isfinite(value):
                raise TrainingError(
                    f"{subject}: the loss became {value} at step {step + 1} of {state.total} with learning rate "
                    f"{state.rate(step):.3g}. Lower the learning rate, or check the features for extreme rows."
                )
    return state.finish()


class _Training:
    """Parameters, optimiser and account of a training under way."""

    def __init__(
        self, subject: str, start: Mapping[str, Tensor], rows: int, recipe: Recipe, run: Run, evidence: str
    ) -> None:
        self.subject, self.rows, self.recipe, self.run = subject, rows, recipe, run
        self.parameters = {
            name: value.detach().clone().to(run.device).requires_grad_() for name, value in start.items()
        }
        self.optimizer = recipe.over(list(self.parameters.values()))
        self.per_epoch = math.ceil(rows / recipe.batch)
        self.total = self.per_epoch * recipe.epochs
        self.done, self.sum, self.before = 0, 0.0, 0.0
        self.losses: list[float] = []
        self.facts = {
            "subject": subject, "recipe": asdict(recipe), "seed": run.seed, "rows": rows, "evidence": evidence,
            "start": digest_tensors(*start.values()), "parameters": sum(v.numel() for v in start.values()),
        }  # fmt: skip
        self.file: Path | None = None
        if run.folder is not None and self.total:
            self.file = run.folder / f"{subject}-{digest_json(self.facts)[:16]}.safetensors"
            self._resume(self.file)
        self.began = self.saved = time.monotonic()
        self.first = self.done

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.began

    def rate(self, step: int) -> float:
        return self.recipe.rate_at(step, self.total, self.per_epoch)

    def steps(self) -> Iterator[int]:
        """Yield the steps that are left, keeping account after each."""
        while self.done < self.total:
            yield self.done
            self.done += 1
            if self.done % self.per_epoch == 0:
                self.losses.append(self.sum / self.rows)
                self.sum = 0.0
                self._tell(f"{self.subject}: epoch {len(self.losses)}, loss {self.losses[-1]:.4g}")
            if self.done == self.first + _ESTIMATE_STEPS:
                self._estimate()
            if self.done == self.total or time.monotonic() - self.saved >= SAVE_SECONDS:
                self._save()

    def take(self, step: int, loss: Loss) -> float:
        """Take one step and return its mean loss."""
        epoch, step_in_epoch = divmod(step, self.per_epoch)
        order = torch.randperm(self.rows, generator=self._generator("order", epoch))
        batch = order[step_in_epoch * self.recipe.batch : (step_in_epoch + 1) * self.recipe.batch]
        generator = self._generator("step", step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        value = 0.0
        for part in torch.split(batch, self.recipe.at_once or len(batch)):
            with self._autocast():
                mean = loss(self.parameters, part.to(self.run.device), generator)
            (mean * (len(part) / len(batch))).backward()  # type: ignore[no-untyped-call]
            value += float(mean.detach()) * len(part)
        self.optimizer.step()
        self.sum += value
        return value / len(batch)

    def finish(self) -> Trained:
        parameters = {name: value.detach().cpu() for name, value in self.parameters.items()}
        wrong = [name for name, value in parameters.items() if not bool(value.isfinite().all())]
        if wrong:
            raise TrainingError(
                f"{self.subject}: {', '.join(wrong)} became infinite or NaN at the last of {self.total} steps with learning "
                f"rate {self.rate(max(0, self.total - 1)):.3g}. Lower the learning rate, or check the features for extreme rows."
            )
        return Trained(parameters, tuple(self.losses), self.seconds)

    def _generator(self, *parts: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.run.seed, self.subject, *parts))

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        kind = torch.device(self.run.device).type
        if self.recipe.amp and kind in AMP_DEVICES:
            return torch.autocast(kind, torch.bfloat16)
        return contextlib.nullcontext()

    def _tell(self, message: str) -> None:
        logger.info("%s (step %d of %d)", message, self.done, self.total)
        if self.run.progress is not None:
            self.run.progress(self.done, self.total, message)

    def _estimate(self) -> None:
        left = (self.total - self.done) * (time.monotonic() - self.began) / _ESTIMATE_STEPS
        estimate = f"{self.subject}: about {_spoken(left)} left on {self.run.device}"
        if left > _LONG_SECONDS:
            logger.warning(
                "%s for %d steps; it goes on, and can be interrupted and resumed", estimate, self.total
            )
        self._tell(estimate)

    def _save(self) -> None:
        self.saved = time.monotonic()
        if self.file is None:
            return
        tensors = {f"parameter.{name}": value for name, value in self.parameters.items()}
        if self.done < self.total:
            for name, value in self.parameters.items():
                for kind, tensor in self.optimizer.state[value].items():
                    if isinstance(tensor, Tensor):
                        tensors[f"{kind}.{name}"] = tensor
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        account = {"done": self.done, "sum": self.sum, "losses": self.losses, "seconds": self.seconds}
        write_atomically(self.file, save(tensors, {"susx": json.dumps({**self.facts, **account})}))

    def _resume(self, file: Path) -> None:
        try:
            with safe_open(file, framework="pt") as opened:
                account = json.loads((opened.metadata() or {})["susx"])
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        except FileNotFoundError:
            return
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            logger.warning("%s is no checkpoint (%s); the training begins anew", file, error)
            return
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(tensors.pop(f"parameter.{name}"))
        for slot, tensor in tensors.items():
            kind, _, name = slot.partition(".")
            where = "cpu" if kind == "step" else self.run.device
            self.optimizer.state[self.parameters[name]][kind] = tensor.to(where)
        self.done, self.sum, self.before = account["done"], account["sum"], account["seconds"]
        self.losses = account["losses"]
        if self.done < self.total:
            self._tell(f"{self.subject}: resumed")


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Leave autocast for the products of unit rows: a hundred times a cosine of eight bits is wrong by up to 0.2."""
    return torch.autocast(device.type, enabled=False)


@contextlib.contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Let numbers below the smallest normal one be 0 in this thread: softmax at scale 100 underflows into them, and a
    CPU is many times slower on them. What was set before is set again afterwards."""
    before = bool(torch.tensor([1e-323], dtype=torch.float64)[0] == 0)  # torch has no way to ask
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
