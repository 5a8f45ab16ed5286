"""Commands of pages in forks of one process that has imported the heavy libraries: the same code, a fifth of the waiting.

``python forking.py serve SOCKET`` imports them once and forks a child for every command that it is handed, with that command's arguments,
folder, environment and open files. ``python forking.py ask SOCKET ARGUMENTS`` hands one over, passes signals on to it and ends as it
ends. What is read from the environment when a module is imported (``HF_HUB_OFFLINE``, ``OMP_NUM_THREADS``) is the server's; Prefect, whose
settings depend on it most, is not imported here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys

HEAVY = (
    "torch",
    "torchvision",
    "transformers",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.linear_model",
    "numba",
    "PIL.Image",
    "faiss",
    "plotly.graph_objects",
    "fastapi",
    "uvicorn",
    # What Prefect and susx import; neither of them reads the environment.
    "pydantic_settings",
    "httpx",
    "h2.connection",
    "websockets",
    "griffe",
    "pendulum",
    "jsonschema",
    "fsspec",
    "prometheus_client",
    "opentelemetry.trace",
)
"""Of ours, what no variable changes."""
OURS = (
    "susx.cli",
    "susx.pipeline.wiring",
    "susx.pipeline.graph",
    "susx.report",
    "susx.classifier",
    "susx.tuning",
    "susx.images.support",
)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(path: str) -> None:
    """Import, listen, and fork."""
    import importlib

    for name in HEAVY:
        importlib.import_module(name)
    from susx.features.open_clip_import import import_open_clip

    import_open_clip()
    for name in OURS:
        importlib.import_module(name)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while True:
        connection, _ = listening.accept()
        # One child watches the command and reports how it ended; this process goes on listening.
        if os.fork() == 0:
            listening.close()
            _carry_out(connection)
        connection.close()
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    break
            except ChildProcessError:
                break


def _carry_out(connection: socket.socket) -> None:
    data, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    job = json.loads(data)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(job, files)
    for file in files:
        os.close(file)
    connection.sendall(struct.pack("i", child))
    _, status = os.waitpid(child, 0)
    connection.sendall(struct.pack("i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(job: dict, files: list[int]) -> None:
    """Be the command: never returns."""
    import atexit
    import threading

    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        sys.argv = ["susx", *job["arguments"]]
        # As a fresh interpreter opens them; they are closed with the process.
        sys.stdin = open(0, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from susx.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def ask(path: str, arguments: list[str]) -> int:
    """Have a command carried out and return its exit code."""
    job = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(job).encode()], [0, 1, 2])
        (child,) = struct.unpack("i", connection.recv(4, socket.MSG_WAITALL))
        for number in _SIGNALS:
            signal.signal(number, lambda received, _: os.kill(child, received))
        (code,) = struct.unpack("i", connection.recv(4, socket.MSG_WAITALL))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[2], sys.argv[3:]))
