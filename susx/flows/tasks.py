"""A shard of jobs as one Prefect task.

The task's cache key is made of its jobs' keys, so a rerun shows ``Cached``. Its result is a list of small references.

A task run that finds its work done carries no tag: Prefect asks the server for a concurrency slot once per tagged
task run, and what is done already needs none. Results are kept below the store; they are set on the running flow
(:func:`keep_results_in`), since a storage named on a task costs a new HTTP client per task run.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.filesystems import LocalFileSystem

from susx.errors import ConfigError, DownloadError, MismatchError, ModelError, RetrievalError, SusxError
from susx.images.fetch.worker_process import die_with_parent
from susx.pipeline.stage import Stage, execute
from susx.pipeline.wiring import WIRING
from susx.store import ArtefactStore, Job, Outcome, Ref, digest_json, open_store
from susx.types import Json

__all__ = ["DEVICE_TAG", "Shard", "as_outcome", "carry_out", "keep_results_in", "shard_task"]

DEVICE_TAG = "susx-device"
"""Tag of task runs that want the accelerator; a server may limit how many run at once."""


class Shard:
    """Jobs of one stage that share a task.

    A plain class, as Prefect and its Ray runner look for futures in every list, tuple and dataclass that is a
    parameter, job by job (and Ray's loses the ``quote`` that should stop it).
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)


def carry_out(stage: str, shard: Shard, store: str) -> list[Json]:
    """Carry out a shard of jobs; the result is small and JSON."""
    if multiprocessing.parent_process() is not None:
        die_with_parent()
    opened = open_store(store)
    return [_as_json(execute(WIRING[stage].stage, job, opened)) for job in shard.jobs]


def shard_task(
    stage: Stage, shard: list[Job], *, fresh: bool, results: Path | None, tagged: bool
) -> Task[Any, Any]:
    """Return the task that carries out ``shard``.

    Args:
        stage: the stage of all its jobs.
        shard: the jobs.
        fresh: whether every artefact is there and sound; if not, the work is done whatever Prefect remembers.
        results: folder of results, for runners whose tasks leave this process.
        tagged: whether it carries tags: on a server that nobody shares each costs a request for a slot and no more.
    """
    key = digest_json([job.key for job in shard])
    subjects = shard[0].subject or "all"
    if len(shard) > 1:
        subjects += f" .. {shard[-1].subject} ({len(shard)})"
    options: dict[str, Any] = {
        "name": stage.name,
        "task_run_name": f"{shard[0].dataset} / {stage.name} / {subjects}".replace("{", "{{").replace(
            "}", "}}"
        ),
        "cache_key_fn": lambda context, parameters: f"susx-{key}",
        "refresh_cache": not fresh,
        "persist_result": True,
        "result_serializer": "json",
    }
    if tagged:
        options["tags"] = ["susx", f"susx-{stage.name}", *([DEVICE_TAG] if stage.device else [])]
    if not fresh:
        if results is not None:
            options["result_storage"] = results
        if stage.network:
            options |= {
                "retries": 2, "retry_delay_seconds": [2, 15], "retry_jitter_factor": 0.5,
                "retry_condition_fn": _worth_a_retry,
            }  # fmt: skip
    return task(carry_out, **options)


def keep_results_in(store: ArtefactStore) -> None:
    """Let the tasks of the running flow keep their results below the store."""
    context = FlowRunContext.get()
    if context is not None and context.result_store is not None:
        context.result_store.result_storage = LocalFileSystem(basepath=str(store.root / "prefect"))


def as_outcome(data: Json) -> Outcome:
    """Return the outcome that a task's result stands for."""
    return Outcome(Ref(**data["ref"]), data["status"], data["seconds"], data["counts"], data["rebuilt"])


def _as_json(outcome: Outcome) -> Json:
    ref = outcome.ref
    return {
        "ref": {"stage": ref.stage, "subject": ref.subject, "key": ref.key, "digest": ref.digest},
        "status": outcome.status, "seconds": outcome.seconds, "counts": dict(outcome.counts),
        "rebuilt": outcome.rebuilt,
    }  # fmt: skip


def _worth_a_retry(task: Task[Any, Any], run: Any, state: State) -> bool:
    try:
        state.result()
    except DownloadError:
        return True  # links that failed for a reason that may pass; what was fetched is kept
    except (ConfigError, MismatchError, ModelError, RetrievalError):
        # A kNN service was asked several times before it was said to be down; asking for every class again takes minutes.
        return False
    except SusxError:
        return True
    except Exception as error:
        return isinstance(error, OSError)
    return False
