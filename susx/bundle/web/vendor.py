"""onnxruntime-web, taken from npm or from a folder of it: three files and their licence, copied into an export."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from susx.errors import ConfigError, InputError
from susx.store.disk import whole_folder
from susx.store.user_cache import user_cache

__all__ = ["FILES", "PACKAGE", "VERSION", "vendor"]

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"

FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Of its ``dist/``: the WebAssembly build without WebGPU, which runs everywhere."""

_SECONDS = 300


def vendor(target: Path, package: Path | None = None) -> str:
    """Copy onnxruntime-web to a folder and return its version.

    Args:
        target: folder to make.
        package: a folder of the npm package or its archive (.tgz); None takes version ``VERSION`` from npm, once a user.

    Raises:
        InputError: ``package`` is none.
        ConfigError: npm is not installed, or its registry cannot be reached.
    """
    folder = _from_npm() if package is None else package
    with tempfile.TemporaryDirectory() as scratch:
        if folder.is_file():
            folder = _unpacked(folder, Path(scratch))
        version = _version(folder)
        target.mkdir()
        for name in FILES:
            source = folder / "dist" / name
            if not source.is_file():
                raise InputError(
                    f"{folder} has no dist/{name}: it is no {PACKAGE}. Give the package as npm has it."
                )
            shutil.copyfile(source, target / name)
        shutil.copyfile(folder / "package.json", target / "package.json")
    _licence(target)
    return version


def _from_npm() -> Path:
    kept = user_cache() / f"{PACKAGE}-{VERSION}"
    if (kept / "package.json").is_file():
        return kept
    npm = shutil.which("npm")
    by_hand = (
        f"Fetch the package {PACKAGE} {VERSION} where there is one, and give it with --onnxruntime-web PATH."
    )
    if npm is None:
        raise ConfigError(f"The browser's runtime comes from npm, which is not installed here. {by_hand}")
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", scratch]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_SECONDS)
            reason = " ".join(done.stderr.split())[-200:]
        except subprocess.TimeoutExpired:
            done, reason = None, f"no answer in {_SECONDS} seconds"
        archives = list(Path(scratch).glob("*.tgz"))
        if done is None or done.returncode or not archives:
            raise ConfigError(f"npm could not fetch {PACKAGE} {VERSION} ({reason}). {by_hand}")
        unpacked = _unpacked(archives[0], Path(scratch))
        with whole_folder(kept) as partial:
            (partial / "dist").mkdir()
            for name in FILES:
                shutil.copyfile(unpacked / "dist" / name, partial / "dist" / name)
            shutil.copyfile(unpacked / "package.json", partial / "package.json")
    return kept


def _unpacked(archive: Path, scratch: Path) -> Path:
    """Take the wanted files out of an archive of npm's, and nothing else."""
    wanted = {"package/package.json", *(f"package/dist/{name}" for name in FILES)}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name in wanted and member.isfile():
                    target = scratch / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content = tar.extractfile(member)
                    assert content is not None
                    with content, target.open("wb") as file:
                        shutil.copyfileobj(content, file)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{archive} is no archive of npm's ({error}). Give {PACKAGE} as npm has it."
        ) from error
    return scratch / "package"


def _version(folder: Path) -> str:
    try:
        told = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        name, version = told["name"], str(told["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} is no package of npm's ({error}). Give {PACKAGE} as npm has it."
        ) from error
    if name != PACKAGE:
        raise InputError(f"{folder} is the package '{name}', and {PACKAGE} is wanted.")
    return version


def _licence(target: Path) -> None:
    """Write the licence of ONNX Runtime (MIT), which the package of npm's names without its text; Python's holds it."""
    distribution = importlib.metadata.distribution("onnxruntime")
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        file = Path(str(distribution.locate_file(f"onnxruntime/{name}")))
        if file.is_file():
            shutil.copyfile(file, target / name)
