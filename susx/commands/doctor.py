"""``susx doctor``: is this environment fit for work, and what to do where it is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Finding", "doctor", "findings"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do when it is not well."""

    what: str
    state: Literal["ok", "note", "bad"]
    detail: str
    todo: str = ""


PACKAGES = (
    "torch", "torchvision", "open_clip_torch", "diffusers", "transformers", "clip-retrieval", "img2dataset", "prefect",
    "pandas", "numpy", "faiss-cpu", "setuptools", "fastapi",
)  # fmt: skip


def doctor(
    store: Annotated[
        str, typer.Option(help="Folder of the artefact store.", envvar="SUSX_STORE")
    ] = "susx-store",
    profile: Annotated[str, typer.Option(help="Profile whose weights are looked for.")] = "demo",
) -> None:
    """Check versions, the shadowing backport, GPU, store, Prefect API and weights; say what to do about each finding."""
    from rich.markup import escape

    from susx.commands.console import output
    from susx.commands.terminal_table import Column, print_table

    rows = []
    bad = False
    colour = {"ok": "green", "note": "yellow", "bad": "red"}
    for finding in findings(store, profile):
        bad |= finding.state == "bad"
        mark = f"[{colour[finding.state]}]{finding.state}[/]"
        rows.append((finding.what, mark, escape(finding.detail), escape(finding.todo)))
    console = output()
    columns = (Column("check", "name"), Column("", "name"), Column("found"), Column("what to do"))
    print_table(console, "susx doctor", columns, rows)
    if bad:
        console.print("[red]Something must be mended before susx can work here.[/]")
        raise typer.Exit(1)
    console.print("[green]Ready.[/]")


def findings(store: str, profile: str) -> Iterator[Finding]:
    """Look at everything, one finding after the other; a check that fails is a finding, never a traceback."""
    checks: dict[str, Callable[[], Finding]] = {
        "Python": _python, "dataclasses backport": _backport, "torchvision": _torchvision, "fastapi": _fastapi,
        "setuptools": _setuptools, "GPU": _gpu, "store": lambda: _store(store), "shared store": _shared, "Prefect": _prefect,
        "weights": lambda: _weights(profile),
    }  # fmt: skip
    for package in PACKAGES:
        yield _package(package)
    for what, check in checks.items():
        try:
            yield check()
        except Exception as error:
            yield Finding(
                what,
                "bad",
                f"{type(error).__name__}: {error}",
                "Mend what is named, then run 'susx doctor' again.",
            )


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name in {"clip-retrieval", "img2dataset"}:
            return Finding(
                name, "note", "not installed", "For retrieval from links: pip install 'susx[retrieval]'"
            )
        return Finding(name, "bad", "not installed", "Install from requirements.lock: 'make demo' does it.")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 10) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", "ok", version)
    return Finding("Python", "bad", version, "Use Python 3.10 to 3.13: make demo PYTHON=python3.11")


def _backport() -> Finding:
    try:
        version = importlib.metadata.version("dataclasses")
    except importlib.metadata.PackageNotFoundError:
        return Finding("dataclasses backport", "ok", "absent, as it should be")
    return Finding(
        "dataclasses backport", "bad", f"version {version} shadows the standard library and stops Prefect's server",
        "pip uninstall dataclasses",
    )  # fmt: skip


def _torchvision() -> Finding:
    import torch
    import torchvision

    torch.ops.torchvision.nms  # noqa: B018 (raises when the two were built apart)
    return Finding("torch and torchvision", "ok", f"{torch.__version__} with {torchvision.__version__}")


def _fastapi() -> Finding:
    from packaging.requirements import Requirement

    version = importlib.metadata.version("fastapi")
    wanted = map(Requirement, importlib.metadata.requires("prefect") or ())
    specifier = next(str(each.specifier) for each in wanted if each.name == "fastapi")
    if Requirement(f"fastapi{specifier}").specifier.contains(version):
        return Finding("fastapi for Prefect", "ok", version)
    todo = f"Prefect {importlib.metadata.version('prefect')}: pip install 'fastapi{specifier}'"
    return Finding("fastapi for Prefect", "bad", version, todo)


def _setuptools() -> Finding:
    if importlib.util.find_spec("clip_retrieval") is None:
        return Finding("pkg_resources", "ok", "not needed without clip-retrieval")
    if importlib.util.find_spec("pkg_resources"):
        return Finding("pkg_resources", "ok", "there, clip-retrieval needs it")
    return Finding("pkg_resources", "bad", "missing, clip-retrieval needs it", "pip install 'setuptools<81'")


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", "ok", torch.cuda.get_device_name(0))
    return Finding(
        "GPU", "note", "none; everything runs on the CPU",
        "Fine for the demo and for retrieval. Stable Diffusion on a CPU takes minutes an image.",
    )  # fmt: skip


def _store(store: str) -> Finding:
    import shutil

    from susx.errors import StoreError
    from susx.store import ArtefactStore

    try:
        ArtefactStore(store).check_writable()
    except StoreError as error:
        return Finding("store", "bad", str(error), "Give another folder with --store.")
    free = shutil.disk_usage(store).free / 2**30
    state: Literal["ok", "note"] = "ok" if free > 2 else "note"
    return Finding(
        "store",
        state,
        f"{Path(store).absolute()}, {free:.0f} GiB free",
        "" if free > 2 else "Free some space.",
    )


def _shared() -> Finding:
    from susx.commands.store import human_size
    from susx.errors import StoreError
    from susx.store.user_cache import SHARED, shared_store

    what = "what stores share"
    shared = shared_store()
    if shared is None:
        return Finding(what, "note", f"nothing: {SHARED} is off", "The embedded pool is drawn once a store.")
    try:
        shared.check_writable()
    except StoreError as error:
        return Finding(
            what,
            "note",
            str(error),
            f"The embedded pool is drawn once a store; {SHARED} names another folder.",
        )
    sizes = [size for _, _, size in shared.entries()]
    return Finding(what, "ok", f"{shared.root}, {len(sizes)} artefacts, {human_size(sum(sizes))}")


def _prefect() -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Finding("Prefect API", "ok", "none set: every run starts a temporary server of its own")
    import httpx

    try:
        httpx.get(url.rstrip("/") + "/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        return Finding(
            "Prefect API", "bad", f"{url} does not answer ({type(error).__name__})",
            "Start it with 'prefect server start', or unset PREFECT_API_URL.",
        )  # fmt: skip
    return Finding("Prefect API", "ok", url)


def _weights(profile: str) -> Finding:
    from susx.config import load_profile
    from susx.errors import SusxError
    from susx.features.identity import identify_encoder

    try:
        encoder = identify_encoder(load_profile(profile).encoder)
    except SusxError as error:
        return Finding(f"weights of '{profile}'", "bad", str(error), "See the message.")
    return Finding(f"weights of '{profile}'", "ok", str(encoder))
