"""Patterns of files, in folders with any names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from susx.errors import InputError
from susx.file_patterns import matching_files


def _names(pattern: str, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in matching_files(f"{folder}/{pattern}")]


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_folder_with_brackets_is_that_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "runs [2024]/0.jpg", "runs [2024]/a[1].jpg", "x/runs [2024]/2.jpg")
    assert _names("runs [2024]/*.jpg", tmp_path) == ["runs [2024]/0.jpg", "runs [2024]/a[1].jpg"]
    assert _names("runs [2024]/a[1].jpg", tmp_path) == ["runs [2024]/a[1].jpg"]
    assert _names("runs [2024]/[01].jpg", tmp_path) == ["runs [2024]/0.jpg"]
    assert _names("*/runs [2024]/*.jpg", tmp_path) == ["x/runs [2024]/2.jpg"]


def test_webdatasets_braces(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"{n:05d}.tar" for n in range(12)), "{odd}.tar")
    assert _names("{00002..00004}.tar", tmp_path) == [f"{n:05d}.tar" for n in (2, 3, 4)]
    assert _names("{00001,0001*}.tar", tmp_path) == ["00001.tar", "00010.tar", "00011.tar"]
    assert _names("{odd}.tar", tmp_path) == ["{odd}.tar"]
    with pytest.raises(InputError, match=r"No file matches '.*00012.tar'"):
        matching_files(f"{tmp_path}/{{00010..00012}}.tar")
    with pytest.raises(InputError, match="more than"):
        matching_files(f"{tmp_path}/{{0..99999999999}}.tar")


def test_any_depth_follows_links_once_and_leaves_leftovers_out(tmp_path: Path) -> None:
    _touch(tmp_path, "d/a/0.jpg", "d/1.jpg", "d/@eaDir/2.jpg", "d/.hidden/3.jpg", "disk/4.jpg")
    (tmp_path / "d" / "up").symlink_to("..")
    (tmp_path / "d" / "disk").symlink_to("../disk")
    assert _names("d/**/*.jpg", tmp_path) == ["d/1.jpg", "d/a/0.jpg", "d/disk/4.jpg"]
    assert _names("d/*/*.jpg", tmp_path) == ["d/a/0.jpg", "d/disk/4.jpg"]


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=12)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_of_a_folder_of_any_name_are_found(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if name in {".", ".."} or "{" in name or len(name.encode()) > 200:
        return
    folder = tmp_path_factory.mktemp("p")
    _touch(folder, f"{name}/0.jpg")
    assert matching_files(f"{folder}/{name}/*.jpg") == [folder / name / "0.jpg"]
