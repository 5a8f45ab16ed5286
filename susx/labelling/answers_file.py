"""What people said of images, in a CSV that only grows.

    time, path, digest, label, who, action

One line is one answer. It is on the disk (fsync) before ``append`` returns, and a lock lets one process write at a time, so that two tabs and
two people lose nothing of each other's. Nothing is ever written over: taking an answer back is a line of its own. A process that dies in the
middle of a line leaves a torn one at the end; readers pass it over, and the next writer cuts it off.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from filelock import FileLock

from susx.errors import InputError, StoreError, is_full
from susx.printable import for_cell
from susx.store.disk import sync_folder
from susx.types import Digest

__all__ = ["Action", "Answer", "AnswerFile", "last_words", "now"]

Action = Literal["say", "undo"]

_ACTIONS = ("say", "undo")
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """One line.

    Attributes:
        time: ISO 8601, UTC, with microseconds; answers given at once share it.
        path: of the image, as the table of labels has it; for people, the digest is what counts.
        digest: sha256 of the image's file; "" where a person wrote the line by hand and knew the path alone.
        label: a class, a new one among them; "" for none of these.
        who: whoever answered.
        action: ``undo`` takes back the last word on this image that is not taken back yet; its label is "".
    """

    time: str
    path: str
    digest: Digest
    label: str
    who: str = ""
    action: Action = "say"


COLUMNS = tuple(item.name for item in fields(Answer))


def now() -> str:
    """Return the time as answers write it."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def last_words(answers: Iterable[Answer]) -> dict[str, Answer]:
    """Return the word that counts for each image, by digest (by path where a line has none).

    The last one counts, whoever said it; an ``undo`` brings back the one before, and without one before does nothing.
    """
    spoken: dict[str, list[Answer]] = {}
    for answer in answers:
        earlier = spoken.setdefault(answer.digest or answer.path, [])
        if answer.action == "say":
            earlier.append(answer)
        elif earlier:
            earlier.pop()
    return {key: stack[-1] for key, stack in spoken.items() if stack}


class AnswerFile:
    """One such file, read as it grows and written by many at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS)
        self._kept: tuple[Answer, ...] = ()
        self._facts: tuple[int, int, int] | None = None

    def read(self) -> tuple[Answer, ...]:
        """Return all answers in the order they were given; none where there is no file.

        Raises:
            InputError: the file is no such CSV; names the line.
            StoreError: it cannot be read.
        """
        try:
            status = self.path.stat()
            facts = (status.st_size, status.st_mtime_ns, status.st_ino)
            if facts != self._facts:
                self._kept, self._facts = self._parse(self.path.read_bytes()), facts
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error}.") from error
        return self._kept

    def append(self, answers: Sequence[Answer]) -> None:
        """Write answers, all or none of them; they are on the disk when this returns.

        Raises:
            InputError: the file is there and is no such CSV.
            StoreError: it cannot be written, for instance because the disk is full; what was in it before is untouched.
        """
        if not answers:
            return
        try:
            with self._lock:
                self._append(answers)
        except TimeoutError as error:
            raise StoreError(
                f"{self.path} was locked by another process for {_LOCK_SECONDS:.0f} seconds. The answer is not written; try again."
            ) from error
        except OSError as error:
            what = "the disk is full" if is_full(error) else str(error)
            raise StoreError(
                f"The answer is not written to {self.path}: {what}. Earlier answers are kept; mend that and answer again."
            ) from error

    def _append(self, answers: Sequence[Answer]) -> None:
        new = not self.path.exists()
        # Without a buffer: what one holds back after a failed write would follow when the file is closed.
        with open(self.path, "a+b", buffering=0) as file:
            file.seek(0)
            data = file.read()
            whole = _whole(data)
            columns = _columns(data[:whole]) or COLUMNS
            if missing := [name for name in COLUMNS if name not in columns]:
                raise InputError(
                    f"{self.path} lacks the columns {', '.join(missing)}: it can be read, and no answer can be added to it. Move it away "
                    "and give its answers with --answers, or add the columns."
                )
            if whole < len(data):
                file.truncate(whole)
            lines = "" if columns != COLUMNS or whole else ",".join(COLUMNS) + "\n"
            if whole and data[whole - 1 : whole] != b"\n":
                lines = "\n"
            lines += "".join(_line(answer, columns) for answer in answers)
            try:
                rest = memoryview(lines.encode("utf-8", "surrogateescape"))
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:  # what was written of it before the disk was full goes again
                file.truncate(whole)
                raise
        if new:
            sync_folder(self.path.parent)

    def _parse(self, data: bytes) -> tuple[Answer, ...]:
        text = data[: _whole(data)].decode("utf-8-sig", "surrogateescape")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=False)
        columns = [name for name in rows.fieldnames or () if name]
        if text.strip() and ("label" not in columns or not {"path", "digest"} & set(columns)):
            raise InputError(
                f"{self.path} is no file of answers: its first line needs 'label' and 'path' or 'digest', found {', '.join(columns)}."
            )
        try:
            return tuple(self._answer(row, rows.line_num) for row in rows if any(row.values()))
        except csv.Error as error:
            raise InputError(f"{self.path}, line {rows.line_num}: {error}.") from error

    def _answer(self, row: Mapping[str, str | None], line: int) -> Answer:
        cells = {name: _plain(row.get(name) or "") for name in COLUMNS}
        action = cells["action"] or "say"
        if action not in _ACTIONS:
            raise InputError(f"{self.path}, line {line}: an action is 'say' or 'undo', found {action!r}.")
        if not cells["digest"] and not cells["path"]:
            raise InputError(
                f"{self.path}, line {line}: an answer names an image by 'digest' or 'path', found neither."
            )
        cells["label"] = cells["label"].strip()
        if any("\ud800" <= letter <= "\udfff" for letter in cells["label"] + cells["who"]):
            raise InputError(
                f"{self.path}, line {line}: the label is not UTF-8. Save the file as UTF-8 (a spreadsheet calls it 'CSV UTF-8')."
            )
        return Answer(**{**cells, "action": action})  # type: ignore[arg-type]


def _whole(data: bytes) -> int:
    """Return how many bytes are whole lines.

    What follows the last line end is torn, unless it has all columns up to a whole action, which is the last: then only the line end is
    missing. In a file written by hand an editor may have left it out.
    """
    end = data.rfind(b"\n") + 1
    if end == len(data):
        return end
    columns = _columns(data[:end])
    cells = next(csv.reader([data[end:].decode("utf-8", "surrogateescape").replace("\0", "")]), [])
    ended = cells[-1] in _ACTIONS if columns[-1:] == ("action",) and cells else bool(columns)
    return len(data) if ended and len(cells) == len(columns) else end


def _columns(data: bytes) -> tuple[str, ...]:
    first = data.split(b"\n", 1)[0].decode("utf-8-sig", "surrogateescape").rstrip("\r")
    return tuple(next(csv.reader([first]), [])) if first else ()


def _line(answer: Answer, columns: Sequence[str]) -> str:
    cells = {name: _one_line(cell) for name, cell in zip(COLUMNS, astuple(answer), strict=True)}
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([_neutral(cells.get(name, "")) for name in columns])
    return file.getvalue()


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\0", "\\0")


def _neutral(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; ``_plain`` turns it back."""
    return f"'{cell}" if _is_formula(cell.lstrip("'")) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(cell: str) -> bool:
    return str(for_cell(cell)).startswith("'") and not cell.startswith("'")
