"""The one reader of text files that people wrote: on Windows, with an editor that marks UTF-8 or writes UTF-16, with either line end.

An 8-bit encoding (cp1252 and its kin) is refused: which one it is cannot be told, and a wrong guess would be a wrong class name.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from susx.errors import ConfigError, SusxError

__all__ = [
    "csv_reader",
    "csv_text",
    "decode_text",
    "listed_path",
    "paths_of_lines",
    "read_lines",
    "read_text",
]

_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_text(path: Path, error: type[SusxError] = ConfigError) -> str:
    """Return a file's text without a byte order mark, lines ended by ``\\n`` whatever ended them.

    Raises:
        ``error``: it cannot be read, or is text of another encoding; names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise error(
            f"{path} cannot be read ({problem.strerror or problem}); expected a text file."
        ) from problem
    return decode_text(data, path, error)


def decode_text(data: bytes, where: object, error: type[SusxError] = ConfigError) -> str:
    """As :func:`read_text`, of bytes that were read already; ``where`` begins the message.

    >>> decode_text(b"\\xef\\xbb\\xbfcat\\r\\ndog\\r\\n", "names.txt")
    'cat\\ndog\\n'
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, len(mark) + problem.start) + 1
        raise error(
            f"{where}, line {line}: byte 0x{problem.object[problem.start]:02x} is no text in UTF-8. Save the file as UTF-8 (it may be "
            "in Windows' own encoding, cp1252)."
        ) from problem
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(f"{where}, line {line}: a zero byte is no text in UTF-8. Save the file as UTF-8.")
    # Where marked files were put one after the other, the marks stand between their lines.
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, error: type[SusxError] = ConfigError) -> list[str]:
    """Return a file's lines without blanks at their ends (those without a width, from pages of the web, too); empty ones stay, but for
    those that end the file.

    Raises:
        ``error``: see :func:`read_text`.
    """
    lines = [line.strip().strip("\u200b").strip() for line in read_text(path, error).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def csv_text(
    path: Path, delimiter: str | None = None, error: type[SusxError] = ConfigError
) -> tuple[str, str]:
    """Return a table's text and what parts its cells: what is given, or as its first line tells.

    Excel writes semicolons where a comma is the decimal sign, and ``sep=;`` above the heading where it was asked to.

    Raises:
        ``error``: see :func:`read_text`.
    """
    text = read_text(path, error)
    first, _, rest = text.partition("\n")
    if declared := _SEPARATOR.fullmatch(first):
        return rest, delimiter or declared[1]
    return text, delimiter or next((mark for mark in ",;\t" if mark in first), ",")


def csv_reader(
    path: Path, delimiter: str | None = None, error: type[SusxError] = ConfigError
) -> csv.DictReader[str]:
    """Return a table's rows as mappings of its heading; cells may hold line ends. See :func:`csv_text`.

    Raises:
        ``error``: see :func:`read_text`. Rows raise ``csv.Error`` while they are read.
    """
    text, mark = csv_text(path, delimiter, error)
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)


def listed_path(folder: Path, written: str) -> Path:
    """Return the file that a list means by a path relative to ``folder``: one written with backslashes is read as Windows means it,
    unless a file of that very name is there.

    >>> listed_path(Path("data"), "cat\\\\0.jpg").as_posix()
    'data/cat/0.jpg'
    """
    path = folder / written
    if "\\" in written and not path.is_file():
        return folder / written.replace("\\", "/")
    return path


def paths_of_lines(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the paths of a stream of lines, a path a line, without a byte order mark and without the line's end.

    PowerShell writes UTF-16: such a stream is read to its end before the first path.
    """
    for number, line in enumerate(lines):
        if not number and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = b"".join([line, *lines]).decode("utf-16", "replace").replace("\r", "\n")
            yield from (path.encode() for path in text.split("\n") if path.strip())
            return
        path = line.removeprefix(codecs.BOM_UTF8) if not number else line
        path = path.rstrip(b"\r\n")
        if path.strip():
            yield path
