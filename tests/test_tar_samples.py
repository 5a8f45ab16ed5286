"""Which members of a tar are one sample."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from susx.errors import InputError
from susx.tar_samples import tar_samples


def _tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def _pairs(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """Key -> content of image and text."""
    data = path.read_bytes()
    pairs = {}
    for sample in tar_samples(path, InputError):
        image, text = sample.image, sample.parts.get("txt")
        assert image is not None
        said = data[text.start : text.start + text.size] if text else b""
        pairs[sample.key] = (data[image.start : image.start + image.size], said)
    return pairs


_STEMS = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,6}[a-z0-9])?", fullmatch=True)
_FOLDERS = st.sampled_from(["", "./", "train.v1/", "./a/b.c/", "/data/", "a\\b.c\\"])


@given(
    st.lists(_STEMS, min_size=1, max_size=8, unique=True),
    _FOLDERS,
    st.sampled_from([(".jpg", ".txt"), (".JPG", ".TXT"), (".jpeg", ".txt"), (".avif", ".txt")]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_image_keeps_its_text_whatever_dots_folders_and_order(
    tmp_path_factory: pytest.TempPathFactory,
    stems: list[str],
    folder: str,
    endings: tuple[str, str],
    apart: bool,
) -> None:
    names = [(f"{folder}{stem}{ending}", f"{kind} {stem}".encode())
             for stem in stems for ending, kind in zip(endings, ("image", "text"), strict=True)]  # fmt: skip
    if apart:
        names.sort(key=lambda item: item[1][:5])
    pairs = _pairs(_tar(tmp_path_factory.mktemp("t") / "a.tar", dict(names)))
    assert sorted(pairs.values()) == sorted((f"image {s}".encode(), f"text {s}".encode()) for s in stems)


def test_what_macos_puts_into_tars_is_no_member(tmp_path: Path) -> None:
    members = {
        "a/0.jpg": b"image",
        "a/._0.jpg": b"x",
        "__MACOSX/a/0.jpg": b"x",
        "a/0.txt": b"text",
        ".cache/1.jpg": b"x",
    }
    assert _pairs(_tar(tmp_path / "a.tar", members)) == {"a/0": (b"image", b"text")}


def test_parts_of_one_image_stay_together(tmp_path: Path) -> None:
    """A mask, or views with one class for both, are parts of a sample and no samples of their own."""
    members = {
        "0.jpg": b"i",
        "0.seg.png": b"m",
        "0.txt": b"t",
        "1.left.jpg": b"l",
        "1.right.jpg": b"r",
        "1.txt": b"u",
    }
    samples = {sample.key: sample for sample in tar_samples(_tar(tmp_path / "a.tar", members), InputError)}
    assert {key: sample.images for key, sample in samples.items()} == {
        "0": ("jpg", "seg.png"),
        "1": ("left.jpg", "right.jpg"),
    }


def test_links_within_a_tar_lead_to_what_they_name(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind, target in (("0.jpg", tarfile.REGTYPE, ""), ("d/1.jpg", tarfile.LNKTYPE, "./0.jpg"),
                                   ("d/2.jpg", tarfile.SYMTYPE, "../0.jpg"), ("d/3.jpg", tarfile.SYMTYPE, "gone.jpg")):  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, target, 5 if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(b"image") if entry.size else None)
    assert _pairs(tmp_path / "a.tar") == {key: (b"image", b"") for key in ("0", "d/1", "d/2")}


@pytest.mark.parametrize("content", [b"", b"no tar" * 200])
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a tar"):
        tar_samples(tmp_path / "a.tar", InputError)


def test_a_cut_tar_is_refused(tmp_path: Path) -> None:
    path = _tar(tmp_path / "a.tar", {f"{n}.jpg": b"x" * 3000 for n in range(4)})
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InputError, match="cannot be read as a tar"):
        tar_samples(path, InputError)


@pytest.mark.parametrize(("mode", "tool"), [("w:gz", "gunzip"), ("w:bz2", "bunzip2"), ("w:xz", "unxz")])
def test_a_compressed_tar_is_read_or_named_as_what_it_is(tmp_path: Path, mode: str, tool: str) -> None:
    """Where members are read in their place it says how to unpack it, whatever its name says."""
    tar = _tar(tmp_path / "a.tar", {"0.jpg": b"x"}, mode)
    assert [sample.key for sample in tar_samples(tar, InputError)] == ["0"]
    with pytest.raises(InputError, match=rf"a\.tar is compressed.*\({tool}\)"):
        tar_samples(tar, InputError, compressed=False)
