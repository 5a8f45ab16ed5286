"""The one reader of WebDataset tar files: which members belong to one sample, and where they begin.

A sample's key is the folder and the base name up to its first dot, as webdataset has it; ``./`` before a name means nothing, endings
count in any case. Names with further dots (``photo.2021.jpg``, ``photo.2022.jpg``) would be one sample by that rule: where an
ending comes twice and no class or text is there for all, their keys end at the last dot. What systems leave (``._x.jpg``) is nobody's member.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from susx.errors import SusxError
from susx.image_files import IMAGE_SUFFIXES
from susx.user_folder import is_leftover

__all__ = ["Member", "TarSample", "tar_samples"]


_UNPACKERS = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ\0": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}


@dataclass(frozen=True)
class Member:
    """A file in a tar: its name there, where its content begins (in the uncompressed tar) and its bytes."""

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class TarSample:
    """Members that share a key.

    Attributes:
        key: folder and name, without ``./``.
        parts: ending in small letters without its full stop (``jpg``, ``cls``, ``seg.png``) -> member. An ending with a dot is also
            found under its last part where no other member has that.
        images: endings of ``parts`` that are images, the one that is meant first.
    """

    key: str
    parts: Mapping[str, Member]
    images: tuple[str, ...]

    @property
    def image(self) -> Member | None:
        """The image, None where there is none."""
        return self.parts[self.images[0]] if self.images else None


def tar_samples(path: Path, error: type[SusxError], *, compressed: bool = True) -> list[TarSample]:
    """Return the samples of a tar in the order of their first members; nothing but headers is read.

    Args:
        path: the tar.
        error: what is raised.
        compressed: whether it may be; reading its members then takes going through all of it.

    Raises:
        ``error``: it is no whole tar file.
    """
    try:
        with tarfile.open(path, "r:*" if compressed else "r:") as tar:
            members = _members(tar)
    except (tarfile.TarError, EOFError, OSError, ValueError) as problem:
        kind = "a tar" if compressed else "an uncompressed tar"
        if not compressed and (tool := _unpacker(path)):
            raise error(
                f"{path} is compressed, and its images are read where they lie in it. Unpack it first ({tool})."
            ) from problem
        raise error(f"{path} cannot be read as {kind} ({problem}). Get this file again.") from problem
    return _grouped(members)


def _unpacker(path: Path) -> str:
    """Return the program that unpacks a file, "" where it is not compressed or cannot be read."""
    try:
        with path.open("rb") as file:
            begin = file.read(6)
    except OSError:
        return ""
    return next((tool for magic, tool in _UNPACKERS.items() if begin.startswith(magic)), "")


def _members(tar: tarfile.TarFile) -> dict[str, Member]:
    """Name -> member; of two of one name the later one counts, as when a tar is unpacked."""
    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    for info in tar:
        name = _plain(info.name)
        if info.issym():
            links[name] = _plain(str(PurePosixPath(name).parent / info.linkname))
        elif info.islnk():
            links[name] = _plain(info.linkname)
        elif info.isfile() and not info.issparse():
            members[name] = Member(name, info.offset_data, info.size)
    for name, target in links.items():
        for _ in range(8):  # links to links
            target = links.get(target, target)
        if target in members:
            members[name] = Member(name, members[target].start, members[target].size)
    return {name: member for name, member in members.items() if not any(map(is_leftover, name.split("/")))}


def _plain(name: str) -> str:
    parts: list[str] = []
    for part in name.replace("\\", "/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _grouped(members: Mapping[str, Member]) -> list[TarSample]:
    samples = []
    for key, parts in _groups(members.values(), last=False).items():
        if _is_several(parts):
            samples += [_sample(*group) for group in _groups(parts.values(), last=True).items()]
        else:
            samples.append(_sample(key, parts))
    return samples


def _is_several(parts: Mapping[str, Member]) -> bool:
    """Whether members whose names begin alike are several samples: an ending is there twice, and no class or text (an ending without a
    dot) is there for all of them together."""
    twice = max(Counter(kind.rpartition(".")[2] for kind in parts).values()) > 1
    shared = [
        kind
        for kind in parts
        if "." not in kind
        and f".{kind}" not in IMAGE_SUFFIXES
        and not any(other.endswith(f".{kind}") for other in parts)
    ]
    return twice and not shared


def _groups(members: Iterable[Member], *, last: bool) -> dict[str, dict[str, Member]]:
    groups: dict[str, dict[str, Member]] = {}
    for member in members:
        folder, _, base = member.name.rpartition("/")
        stem, _, kind = base.rpartition(".") if last and "." in base else base.partition(".")
        groups.setdefault(f"{folder}/{stem}" if folder else stem, {})[kind.lower()] = member
    return groups


def _sample(key: str, parts: dict[str, Member]) -> TarSample:
    files = dict(parts)
    for kind, member in parts.items():
        files.setdefault(kind.rpartition(".")[2], member)
    images = [kind for kind in parts if f".{kind.rpartition('.')[2]}" in IMAGE_SUFFIXES]
    return TarSample(key, files, tuple(sorted(images, key=lambda kind: "." in kind)))
