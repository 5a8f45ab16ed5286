"""Where tasks run: in this process, in a few processes, or on a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from susx.errors import ConfigError, ServerError, did_you_mean
from susx.pipeline.stage import Stage

__all__ = ["RUNNERS", "Runner", "device_options", "open_runner"]

Runner: TypeAlias = Literal["local", "processes", "ray"]
RUNNERS = ("local", "processes", "ray")


@contextlib.contextmanager
def open_runner(name: str, address: str | None = None) -> Iterator[TaskRunner[Any] | None]:
    """Yield an open task runner; None for ``local``, which is the flow's own.

    Args:
        name: ``local``, ``processes`` (one per core) or ``ray``.
        address: of the Ray cluster ("host:6379", "ray://host:10001", "auto"); None starts one on this machine.

    Raises:
        ConfigError: an unknown runner, or one whose package is not installed.
        ServerError: no Ray cluster answers at the address.
    """
    if name == "local":
        yield None
    elif name == "processes":
        with ProcessPoolTaskRunner(max_workers=os.cpu_count()) as runner:
            yield runner
    elif name == "ray":
        with _ray(address) as runner:
            yield runner
    else:
        raise ConfigError(f"Unknown runner '{name}'.{did_you_mean(name, RUNNERS)}")


@contextlib.contextmanager
def _ray(address: str | None) -> Iterator[TaskRunner[Any]]:
    try:
        from prefect_ray import RayTaskRunner
    except ImportError as error:
        raise ConfigError(
            "--runner ray needs the packages ray and prefect-ray: pip install 'susx[ray]'."
        ) from error
    from ray.exceptions import RayError

    with contextlib.ExitStack() as stack:
        try:
            _knock(address)
            options = {"include_dashboard": False} if address is None else {"log_to_driver": False}
            runner = stack.enter_context(RayTaskRunner(address=address, init_kwargs=options))
        except (OSError, RuntimeError, ValueError, RayError) as error:
            where = address or "this machine"
            raise ServerError(
                f"No Ray cluster answers at {where} ({error}). Start one with 'ray start --head' and give its "
                "address with --ray-address, or leave the address out to use this machine alone."
            ) from error
        yield runner


def _knock(address: str | None) -> None:
    """Raise OSError unless something listens at the address; Ray itself would try for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextlib.contextmanager
def device_options(runner: TaskRunner[Any], stage: Stage) -> Iterator[None]:
    """Ask Ray for a GPU for stages that want the accelerator, where the cluster has one."""
    if not stage.device or type(runner).__name__ != "RayTaskRunner":
        yield
        return
    import ray
    from prefect_ray.context import remote_options

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    with remote_options(num_gpus=1 if resources.get("GPU", 0) >= 1 else 0):
        yield
