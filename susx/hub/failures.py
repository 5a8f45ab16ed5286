"""What the Hub's client raises, as one paragraph of susx each."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from susx.errors import InputError, ServerError, SusxError
from susx.hub.address import HubAddress

__all__ = ["explained", "unreachable"]

_TOKEN = "Make a token at https://huggingface.co/settings/tokens and set HF_TOKEN, or run 'hf auth login'."


def unreachable() -> tuple[type[Exception], ...]:
    """Return the errors of a network that is not there, of every generation of the client (requests, httpx, httpx2)."""
    import httpx
    import requests
    from huggingface_hub.errors import OfflineModeIsEnabled

    kinds = [OfflineModeIsEnabled, requests.ConnectionError, requests.Timeout, httpx.TransportError]
    with contextlib.suppress(ImportError):  # of huggingface_hub 2
        kinds.append(importlib.import_module("httpx2").TransportError)
    return tuple(kinds)


@contextlib.contextmanager
def explained(address: HubAddress, doing: str) -> Iterator[None]:
    """Turn every error of the client in the block into one that says what to do.

    Args:
        address: the repository.
        doing: what is being done, for the message ("fetched", "pushed").

    Raises:
        InputError: the repository, revision or file is not there, or not for this user.
        ServerError: the Hub cannot be reached or fails.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"https://huggingface.co/{'datasets/' if address.kind == 'dataset' else ''}{address.repository}"
    absent: tuple[type[Exception], ...] = (*unreachable(), LocalEntryNotFoundError)
    try:
        yield
    except SusxError:
        raise
    except GatedRepoError as error:
        raise InputError(
            f"{address} cannot be {doing}: it is gated, and this user was not let in. Ask for access at {where}, and then "
            f"give your token. {_TOKEN}"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"{address} cannot be {doing}: there is no such {address.kind} on the Hub, or it is private. Check owner and "
            f"name (a support set is hf://datasets/owner/name). For a private one: {_TOKEN}"
        ) from error
    except RevisionNotFoundError as error:
        raise InputError(
            f"{address} cannot be {doing}: there is no revision '{address.revision}'. Leave @{address.revision} out for the "
            f"newest, or take one of {where}/commits/main."
        ) from error
    except absent as error:
        raise ServerError(
            f"{address} cannot be {doing}: the Hub cannot be reached and this machine holds no copy of it "
            f"({_short(error)}). Connect to the network (or unset HF_HUB_OFFLINE), or give a folder in its place."
        ) from error
    except EntryNotFoundError as error:
        raise InputError(
            f"{address} cannot be {doing}: a file of it is missing ({_short(error)})."
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise InputError(
                f"{address} cannot be {doing}: the token may not do that (status {status}). A push asks for a token that may "
                f"write to {address.repository.split('/', maxsplit=1)[0]}. {_TOKEN}"
            ) from error
        raise ServerError(
            f"{address} cannot be {doing}: the Hub answers {_short(error)}. Run the same command again later."
        ) from error
    except (HFValidationError, ValueError) as error:
        raise InputError(f"{address} cannot be {doing}: {_short(error)}.") from error
    except OSError as error:
        raise ServerError(
            f"{address} cannot be {doing}: {_short(error)}. Check the network, and the space in the Hub's cache "
            "(HF_HUB_CACHE)."
        ) from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:240].rstrip(".") or type(error).__name__
