"""The walk through folders that people bring: links, cycles, leftovers, endings."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from susx.errors import InputError
from susx.image_files import FORMATS, IMAGE_SUFFIXES, UNDECODED_SUFFIXES
from susx.image_folder import images_below, passed_over, require_images
from susx.user_folder import CYCLE, DEAD_LINK, HIDDEN, SPECIAL, files_below, folders_in


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _below(folder: Path, endings: set[str] | None = None) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder, endings).files]


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    _touch(tmp_path / "disk" / "striped" / "0.jpg", tmp_path / "data" / "dotted" / "0.jpg")
    (tmp_path / "data" / "striped").symlink_to(tmp_path / "disk" / "striped")
    (tmp_path / "data" / "dotted" / "1.jpg").symlink_to(tmp_path / "disk" / "striped" / "0.jpg")
    assert _below(tmp_path / "data") == ["dotted/0.jpg", "dotted/1.jpg", "striped/0.jpg"]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert _below(tmp_path / "link") == ["dotted/0.jpg", "dotted/1.jpg", "striped/0.jpg"]
    assert [path.name for path in folders_in(tmp_path / "data")] == ["dotted", "striped"]


def test_a_link_to_a_folder_around_it_ends_there(tmp_path: Path) -> None:
    _touch(
        tmp_path / "beside" / "secret.jpg",
        tmp_path / "data" / "a" / "0.jpg",
        tmp_path / "data" / "b" / "0.jpg",
    )
    for name, target in (("self", "."), ("up", ".."), ("outside", "../..")):
        (tmp_path / "data" / "a" / name).symlink_to(target)
    (tmp_path / "data" / "a" / "b").symlink_to("../b")
    (tmp_path / "data" / "b" / "a").symlink_to("../a")
    below = files_below(tmp_path / "data")
    assert _below(tmp_path / "data") == ["a/0.jpg", "a/b/0.jpg", "b/0.jpg", "b/a/0.jpg"]
    assert below.passed_over[CYCLE] >= 3


def test_what_systems_leave_is_passed_over_and_counted(tmp_path: Path) -> None:
    _touch(tmp_path / "a" / "0.jpg")
    for leftover in (
        ".ipynb_checkpoints/0.jpg", "._0.jpg", "@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", "../__MACOSX/a/._0.jpg", "#recycle/0.jpg",
        "../.Trash-1000/0.jpg", "Thumbs.db", "../$RECYCLE.BIN/0.jpg", "@Recycle/0.jpg", "0.jpg@SynoEAStream",
    ):  # fmt: skip
        _touch(tmp_path / "a" / leftover)
    below = files_below(tmp_path)
    assert _below(tmp_path) == ["a/0.jpg"]
    assert below.passed_over == {HIDDEN: 10}
    assert [path.name for path in folders_in(tmp_path)] == ["a"]


def test_a_folder_that_was_named_may_be_hidden_itself(tmp_path: Path) -> None:
    _touch(tmp_path / ".cache" / "0.jpg")
    assert _below(tmp_path / ".cache") == ["0.jpg"]


def test_dead_links_and_what_is_no_file_are_counted(tmp_path: Path) -> None:
    _touch(tmp_path / "0.jpg")
    (tmp_path / "1.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "2.jpg").symlink_to("2.jpg")
    os.mkfifo(tmp_path / "3.jpg")
    below = files_below(tmp_path, IMAGE_SUFFIXES)
    assert [path.name for path in below.files] == ["0.jpg"]
    assert below.passed_over == {DEAD_LINK: 2, SPECIAL: 1}


def test_a_folder_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be listed .* expected a folder"):
        files_below(tmp_path / "nowhere")


def test_every_ending_that_the_decoder_knows_is_an_image() -> None:
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS}
    assert known <= IMAGE_SUFFIXES
    assert IMAGE_SUFFIXES - known == {".mpo"}
    assert not IMAGE_SUFFIXES & UNDECODED_SUFFIXES


def test_images_of_other_formats_and_names_without_ending_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _touch(
        *(tmp_path / name for name in ("a.JPG", "b.HEIC", "c.heic", "d.jxl", "noending", "a.txt", "t.csv"))
    )
    below = images_below(tmp_path)
    assert [path.name for path in below.files] == ["a.JPG"]
    assert passed_over(below) == {
        "without an ending": 1,
        "of a format that is not decoded (.heic)": 2,
        "of a format that is not decoded (.jxl)": 1,
    }
    assert "passed over" in caplog.text


def test_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    _touch(tmp_path / "a.heic", tmp_path / ".b.jpg")
    with pytest.raises(InputError, match=r"holds no images.*Passed over: 1 hidden.*1 of a format.*heic"):
        require_images(tmp_path)


_NAMES = st.sampled_from(["a", "b", "c.jpg", "d e", "ü[1]", ".hidden", "@eaDir", "Z.PNG", "0"])


@given(
    st.lists(
        st.tuples(st.lists(_NAMES, min_size=1, max_size=4), st.sampled_from(["file", "link"]), _NAMES),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_walk_ends_is_sorted_and_finds_what_os_walk_finds(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[str], str, str]]
) -> None:
    """Any tree of folders, files and links: the walk ends, and without links and leftovers it is ``os.walk``'s."""
    root = tmp_path_factory.mktemp("tree")
    linked = False
    for parts, kind, target in entries:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                path.write_bytes(b"x")
            else:
                path.symlink_to(root / target)
                linked = True
        except OSError:  # a file is in the way
            continue
    below = files_below(root)
    assert list(below.files) == sorted(below.files)
    assert all(path.is_file() for path in below.files)
    if not linked:
        seen = {Path(folder) / name for folder, _, names in os.walk(root) for name in names}
        plain = {path for path in seen if not {".hidden", "@eaDir"} & set(path.relative_to(root).parts)}
        assert set(below.files) == plain


OWN = {
    "index_add.py": "an index that is being written",
    "transfer.py": "a folder that susx wrote, as it is sent",
}
"""Files in which pathlib's own walk is right, as what is walked is susx's own -> what it is."""


def test_folders_that_people_bring_are_walked_in_one_way() -> None:
    """pathlib's rglob sees nothing behind a link to a folder, and takes leftovers for files."""
    import susx

    root = Path(susx.__file__).parent
    walks = {
        path.name
        for path in root.rglob("*.py")
        if re.search(r"\.rglob\(|os\.walk\(", path.read_text(encoding="utf-8"))
        and not path.is_relative_to(root / "store")
        and not path.is_relative_to(root / "testing")
    }
    assert walks <= set(OWN)


def test_the_content_of_an_experiment_s_folder_is_what_its_links_lead_to(tmp_path: Path) -> None:
    """Another folder behind the link is another content; a system's leftover is none."""
    from susx.pipeline.encode_data_set import content_of

    for version in ("one", "two"):
        (tmp_path / version / "cat").mkdir(parents=True)
        (tmp_path / version / "cat" / f"{version}.jpg").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "one" / "cat")
    before = content_of(tmp_path / "data")
    (tmp_path / "data" / ".DS_Store").write_bytes(b"x")
    assert content_of(tmp_path / "data") == before
    (tmp_path / "data" / "cat").unlink()
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "two" / "cat")
    assert content_of(tmp_path / "data") != before
