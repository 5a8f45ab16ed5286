"""Answers that people gave: nothing that was acknowledged is lost, whoever dies or writes beside."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from susx.errors import InputError, StoreError
from susx.labelling.answers_file import COLUMNS, Answer, AnswerFile, last_words, now

HEADER = ",".join(COLUMNS) + "\n"


def say(at: int, label: str = "cat", action: str = "say", who: str = "") -> Answer:
    return Answer(now(), f"photos/{at}.jpg", f"{at:064x}", label, who, action)  # type: ignore[arg-type]


WRITER = """
import sys
from pathlib import Path
from susx.labelling.answers_file import Answer, AnswerFile, now
log, who, count = AnswerFile(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for at in range(count):
    log.append([Answer(now(), f"{who}-{at}.jpg", f"{who}-{at}", 'a "quoted", label', who)])
    print(at, flush=True)
"""


def start(path: Path, who: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), who, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Odd paths and labels come back as they were."""
    log = AnswerFile(tmp_path / "corrections.csv")
    odd = ["=cat", 'a "b", c', "-dog", "naïve", "", "'=x y", "@home"]
    given = [Answer(now(), f"odd {label}.jpg", str(at), label, "Ann, B.") for at, label in enumerate(odd)]
    log.append(given)
    log.append([say(1)])
    assert list(AnswerFile(log.path).read()[:-1]) == given
    assert log.read()[-1].label == "cat"
    assert "\n=cat" not in log.path.read_text()
    assert ",=cat" not in log.path.read_text()


def test_a_path_of_two_lines_is_one_line(tmp_path: Path) -> None:
    """A file's name may hold a line end, and bytes that are no text."""
    log = AnswerFile(tmp_path / "a.csv")
    log.append([Answer(now(), "two\nlines\udcff.jpg", "d1", "cat")])
    assert log.path.read_bytes().count(b"\n") == 2
    assert log.read()[0].digest == "d1"
    assert log.read()[0].label == "cat"


def test_the_last_word_counts_and_undo_brings_back_the_one_before() -> None:
    """Undo is one step back for each undo, and does nothing where nothing is left."""
    history = [say(1, "cat"), say(1, "dog"), say(2, ""), say(1, "", "undo"), say(3, "", "undo")]
    words = last_words(history)
    assert {word.path: word.label for word in words.values()} == {"photos/1.jpg": "cat", "photos/2.jpg": ""}
    assert f"{1:064x}" not in last_words([*history, say(1, "", "undo"), say(1, "", "undo")])


def test_every_cut_of_the_last_line_loses_only_that_line(tmp_path: Path) -> None:
    """Whatever part of the last line is on the disk, the lines before are read, and the next answer joins them."""
    path = tmp_path / "a.csv"
    AnswerFile(path).append([say(1), say(2, 'torn "line", here')])
    data = path.read_bytes()
    first = data.rfind(b"\n", 0, len(data) - 1) + 1
    for size in range(first, len(data) + 1):
        path.write_bytes(data[:size])
        read = AnswerFile(path).read()
        assert [answer.path for answer in read] in (["photos/1.jpg"], ["photos/1.jpg", "photos/2.jpg"])
        assert all(answer.label in ("cat", 'torn "line", here') for answer in read)
        AnswerFile(path).append([say(3)])
        assert [a.path for a in AnswerFile(path).read()] == [*(a.path for a in read), "photos/3.jpg"]


def test_zeroes_at_the_end_are_cut_off(tmp_path: Path) -> None:
    """What a power cut leaves of a block that was not on the disk."""
    path = tmp_path / "a.csv"
    AnswerFile(path).append([say(1)])
    with open(path, "ab") as file:
        file.write(b"\0" * 100)
    assert len(AnswerFile(path).read()) == 1
    AnswerFile(path).append([say(2)])
    assert [a.path for a in AnswerFile(path).read()] == ["photos/1.jpg", "photos/2.jpg"]
    assert b"\0" not in path.read_bytes()


def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """A writer that is killed with SIGKILL leaves every answer that it acknowledged, and no lock."""
    path, acknowledged = tmp_path / "corrections.csv", 0
    moments = random.Random(0)
    for turn in range(6):
        writer = start(path, f"w{turn}", 100_000)
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(moments.uniform(0.01, 0.2))
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.wait()
        lines = [line for line in lines if line.endswith("\n")]
        answers = AnswerFile(path).read()
        mine = [answer for answer in answers if answer.who == f"w{turn}"]
        assert [a.digest for a in mine[: len(lines)]] == [f"w{turn}-{at}" for at in range(len(lines))]
        assert len(mine) - len(lines) in (0, 1), "at most the answer in flight is there unacknowledged"
        acknowledged += len(lines)
        AnswerFile(path).append([say(turn)])
    assert acknowledged > 6
    assert len(AnswerFile(path).read()) >= acknowledged + 6


def test_four_writers_lose_nothing_of_each_others(tmp_path: Path) -> None:
    """All lines of all of them are there and whole, each writer's in its order."""
    path = tmp_path / "corrections.csv"
    writers = [start(path, name, 60) for name in "abcd"]
    assert [writer.wait() for writer in writers] == [0] * 4
    answers = AnswerFile(path).read()
    assert len(answers) == 240
    for name in "abcd":
        assert [a.path for a in answers if a.who == name] == [f"{name}-{at}.jpg" for at in range(60)]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()


def test_a_reader_sees_what_another_adds(tmp_path: Path) -> None:
    """An open file of answers follows what other processes write to it."""
    here, there = AnswerFile(tmp_path / "a.csv"), AnswerFile(tmp_path / "a.csv")
    assert here.read() == ()
    there.append([say(1)])
    assert len(here.read()) == 1
    there.append([say(2)])
    assert len(here.read()) == 2


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_written_by_hand_or_by_a_spreadsheet(tmp_path: Path, end: str) -> None:
    """A mark of byte order, other line ends, no last line end, other order and columns."""
    path = tmp_path / "a.csv"
    path.write_bytes(("\ufeffpath,label,note\r\na.jpg,cat,x\r\nb.jpg,,y" + end).encode())
    answers = AnswerFile(path).read()
    assert [(answer.path, answer.label, answer.action) for answer in answers] == [
        ("a.jpg", "cat", "say"),
        ("b.jpg", "", "say"),
    ]
    with pytest.raises(InputError, match="lacks the columns time, digest, who, action"):
        AnswerFile(path).append([say(1)])


def test_another_encoding_is_refused_by_line(tmp_path: Path) -> None:
    """A label that a spreadsheet wrote in its own encoding is not guessed."""
    path = tmp_path / "a.csv"
    path.write_bytes("path,label\na.jpg,cat\nb.jpg,caf\u00e9\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 3: the label is not UTF-8"):
        AnswerFile(path).read()


def test_columns_in_another_order_are_kept(tmp_path: Path) -> None:
    """A file that someone sorted otherwise gets new lines in its own order."""
    path = tmp_path / "a.csv"
    path.write_text("digest,label,path,who,action,time,note\nd1,cat,a.jpg,ann,say,t,old\n")
    AnswerFile(path).append([say(2, "dog")])
    assert [(a.digest, a.label) for a in AnswerFile(path).read()] == [("d1", "cat"), (f"{2:064x}", "dog")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no file of answers"),
        (HEADER + "t,a.jpg,d,cat,me,delete\n", "line 2: an action is 'say' or 'undo', found 'delete'"),
        (HEADER + "t,,,cat,me,say\n", "line 2: an answer names an image"),
    ],
)
def test_another_file_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    """The file is named, and what was expected."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        AnswerFile(path).read()


def fill(path: Path) -> None:
    """Write until the file system is full."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def accepted(log: AnswerFile, at: int) -> bool:
    """Whether an answer was written."""
    try:
        log.append([say(at)])
    except StoreError:
        return False
    return True


def test_a_full_disk_takes_nothing_away(tmp_path: Path) -> None:
    """On a file system that is really full the answer is refused, earlier ones are whole, and with room it goes on."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        log = AnswerFile(mount / "corrections.csv")
        log.append([say(1)])
        ballast = mount / "ballast"
        fill(ballast)
        answered = 1 + sum(1 for _ in iter(lambda: accepted(log, len(log.read()) + 1), False))
        with pytest.raises(StoreError, match=r"not written to .*: the disk is full"):
            log.append([say(0)])
        assert [answer.path for answer in AnswerFile(log.path).read()] == [
            f"photos/{at}.jpg" for at in range(1, answered + 1)
        ]
        ballast.unlink()
        log.append([say(0)])
        assert len(AnswerFile(log.path).read()) == answered + 1
    finally:
        subprocess.run(["umount", str(mount)], check=True)
