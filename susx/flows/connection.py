"""Which Prefect server a run uses: the one that environment, folder or profile names, or a temporary one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from susx.errors import ServerError
from susx.flows.temporary import TemporaryServer, is_temporary

__all__ = ["check_server", "gone", "prefect_settings", "server_of_run", "shared_server_url"]

_NAMES = re.compile(r"api_url|connection_url|\[tool\.prefect", re.IGNORECASE)


def prefect_settings() -> dict[str, str]:
    """Return Prefect's settings as environment variables, those of the folder and the active profile included.

    Prefect (two seconds) is imported only where one of its files names a server or a database.
    """
    settings = {name: value for name, value in os.environ.items() if name.startswith("PREFECT_")}
    home = Path(settings.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(settings.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    if Path("prefect.toml").is_file() or any(
        map(_names_a_server, (profiles, Path("pyproject.toml"), Path(".env")))
    ):
        from prefect.settings import get_current_settings

        settings |= get_current_settings().to_environment_variables(exclude_unset=True)
    return settings


def shared_server_url() -> str | None:
    """Return the URL of a server that others look at too; None without one, or where it is this run's own."""
    url = prefect_settings().get("PREFECT_API_URL")
    return None if is_temporary(url) else url or None


def check_server(url: str) -> None:
    """Raise ServerError unless the configured server answers; a flow run would say so in hundreds of lines."""
    import httpx
    from prefect.client.orchestration import get_client

    try:
        with get_client({"timeout": httpx.Timeout(15)}, sync_client=True) as client:
            error = client.api_healthcheck()
    except Exception as refused:
        # Prefect wraps whatever kept it from the server.
        error = refused.__cause__ if isinstance(refused.__cause__, Exception) else refused
    if error is not None:
        raise gone(error, url)


def gone(error: Exception, url: str | None) -> ServerError:
    """Say that the server of a run does not answer, and what to do."""
    if is_temporary(url):
        what, todo = "the temporary Prefect server of this run", "Run"
    else:
        what = f"the Prefect server at {url}"
        todo = "Start it again, or unset PREFECT_API_URL (in the environment or Prefect's profile), and run"
    return ServerError(
        f"Cannot go on: {what} does not answer ({type(error).__name__}: {error}). Finished work is kept in the store. "
        f"{todo} the same command again: it goes on from there."
    )


@contextlib.contextmanager
def server_of_run(server: TemporaryServer | None) -> Iterator[None]:
    """Let Prefect use a temporary server that serves; None: the configured one."""
    if server is None:
        yield
        return
    from prefect.settings import PREFECT_API_URL, temporary_settings

    # Where Prefect was imported before the server was started it has not read the environment.
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield


def _names_a_server(path: Path) -> bool:
    try:
        return bool(_NAMES.search(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False
