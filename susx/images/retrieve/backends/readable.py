"""What libraries raise over a table whose files are cut, changed or gone, said as one paragraph: it often shows only when rows are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from susx.errors import RetrievalError, SusxError

__all__ = ["readable"]


@contextlib.contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn errors of lance, pyarrow and file systems in the block into one that names the table.

    Raises:
        RetrievalError: the table cannot be read.
    """
    try:
        yield
    except SusxError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise RetrievalError(
            f"{name} (retrieval.data) cannot be searched: {(str(error).splitlines() or ['no reason given'])[0][:300]}. If files of it are cut, "
            "damaged or gone, get it again."
        ) from error
