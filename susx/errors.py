"""The one error tree of susx.

    SusxError                 anything susx refuses or fails at, with a message a person can act on
    |-- ConfigError           a data set, profile or flag is wrong (unknown name, unknown key, bad value)
    |-- InputError            features, images, prompts or class names that cannot be used
    |   `-- NoSupportError    a method needs support images and none are left
    |-- MismatchError         two artefacts that do not belong together (encoder of an index, feature width)
    |-- ModelError            weights that cannot be found, fetched or read
    |-- RetrievalError        a kNN service, index or URL list that cannot answer
    |   |-- DownloadError     images that could not be fetched at a plausible rate
    |   |-- SourceDown        a public source of images that cannot be used now
    |   `-- LimitReached      a public source that takes no more requests for a time
    |-- SourceChanged         a file outside the store was changed while a build read it
    |-- TrainingError         gradient descent that came to nothing (a loss that is not finite)
    |-- GenerationError       a diffusion model or language model that cannot produce
    |-- StoreError            the artefact store cannot be written or read
    |   `-- DamagedArtefact   a stored file is missing or altered (the reader rebuilds it)
    `-- ServerError           a Prefect, Ray or HTTP server that cannot be reached

Every message says what was expected, what was found and what to do. ``exit_code`` is what the command
line returns for it.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "ConfigError",
    "DamagedArtefact",
    "DownloadError",
    "GenerationError",
    "InputError",
    "LimitReached",
    "MismatchError",
    "ModelError",
    "NoSupportError",
    "RetrievalError",
    "ServerError",
    "SourceChanged",
    "SourceDown",
    "StoreError",
    "SusxError",
    "TrainingError",
    "did_you_mean",
    "is_full",
]


class SusxError(Exception):
    """Base of every error susx raises on purpose."""

    exit_code: ClassVar[int] = 2


class ConfigError(SusxError):
    """A data set, profile or flag is wrong."""


class InputError(SusxError):
    """Features, images, prompts or class names that cannot be used."""


class NoSupportError(InputError):
    """A method needs support images and none are left."""


class MismatchError(SusxError):
    """Two artefacts that do not belong together."""


class ModelError(SusxError):
    """Weights that cannot be found, fetched or read."""


class RetrievalError(SusxError):
    """A kNN service, index or URL list that cannot answer."""


class DownloadError(RetrievalError):
    """Images that could not be fetched at a plausible rate."""


class SourceDown(RetrievalError):
    """A public source of images that cannot be used now: it does not answer, or not in the form that it documents."""


class LimitReached(RetrievalError):
    """A public source that takes no more requests for a time; the message says until when."""


class GenerationError(SusxError):
    """A diffusion model or language model that cannot produce."""


class SourceChanged(SusxError):
    """A file outside the store was changed while a build read it."""

    @classmethod
    def of(cls, what: str, stage: str, subject: str, how: str = "") -> SourceChanged:
        """Name what changed, and the work that is lost by it."""
        work = f"'{stage}'" + (f" of '{subject}'" if subject else "")
        return cls(
            f"{what[:1].upper()}{what[1:]} changed while a build read it: {work} is not what its key says and was not kept"
            f"{f' ({how})' if how else ''}. Run the same command again once nothing writes there; all other work is kept."
        )


class TrainingError(SusxError):
    """Gradient descent that came to nothing."""


class StoreError(SusxError):
    """The artefact store cannot be written or read."""

    @classmethod
    def of(cls, error: Exception, path: object) -> StoreError:
        """Say in words what an operating system error at ``path`` means for the store."""
        number = getattr(error, "errno", None)
        if is_full(error):
            what = "the disk is full"
            todo = "Free some space ('susx store gc' shows what can go) and run the same command again"
        elif number in (errno.EROFS, errno.EACCES, errno.EPERM):
            what, todo = "it is read-only for this user", "Give a folder you may write to with --store"
        else:
            what, todo = str(error), "Check the folder given with --store"
        return cls(f"The store cannot be used at {path}: {what}. {todo}; finished work is kept.")


class DamagedArtefact(StoreError):
    """A stored file is missing or altered."""


class ServerError(SusxError):
    """A Prefect, Ray or HTTP server that cannot be reached."""


def is_full(error: Exception) -> bool:
    """Whether an error says that a disk or quota is full.

    safetensors says it in the text of an error of its own, faiss in that of a RuntimeError, numpy's ``tofile`` as an OSError without a
    number.
    """
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    text = str(error)
    if any(os.strerror(number) in text for number in (errno.ENOSPC, errno.EDQUOT)):
        return True
    return bool(
        re.search(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\)|^\d+ requested and \d+ written$", text)
    )


def did_you_mean(word: str, expected: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known name nearest to ``word``, else a list of a few names."""
    names = sorted(expected)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f" Did you mean '{near[0]}'?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f" Known: {shown}." if names else ""
