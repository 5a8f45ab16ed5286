"""Writing a bundle as a page that runs in the browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from susx.bundle.bundle_description import JSON
from susx.bundle.bundle_folder import read_bundle
from susx.bundle.web.vendor import vendor
from susx.classifier.static_page import PAGE_FILES, page_file
from susx.errors import ConfigError, StoreError
from susx.rejection import threshold_of
from susx.store.disk import folder_size, whole_folder

__all__ = ["LARGE", "check_target", "export_web"]

LARGE = 200_000_000
"""Bytes of a bundle that a visitor waits for long enough to be told."""

_MOST = 2_000_000_000
"""Bytes of weights that a page in WebAssembly can hold."""

_LEFT = frozenset({"text.onnx", "text.onnx.data", "tokenizer.json", "folder.npz"})
"""Files of a bundle that a page has no use for."""

_STATIC = Path(__file__).parent / "static"


def check_target(out: Path) -> None:
    """Refuse to write where something is.

    Raises:
        StoreError: ``out`` is there and is not an empty folder.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise StoreError(f"{out} exists; give a new folder.")


def export_web(bundle: Path, out: Path, package: Path | None = None, *, reject: float | None = None) -> str:
    """Write the page of a bundle; the folder is complete or not there at all.

    Args:
        bundle: folder of a bundle.
        out: new folder.
        package: of onnxruntime-web; None takes it from npm.
        reject: say which pictures are none of the classes, at this share of outsiders that may pass.

    Returns:
        A sentence on what was written.

    Raises:
        ConfigError: the bundle cannot run in a browser, or npm cannot be reached; says what to do.
        InputError, DamagedArtefact: the bundle or the package is none, or ``reject`` is asked for and nothing is known of outsiders.
        StoreError: ``out`` holds something, or cannot be written.
    """
    check_target(out)
    stored = read_bundle(bundle)
    told = stored.description
    threshold = None if reject is None else threshold_of(stored.rejection, reject)
    weights = sum((bundle / name).stat().st_size for name in told.files if name.startswith("image."))
    if weights > _MOST:
        raise ConfigError(
            f"{bundle} has more than 2 GB of weights, which no browser loads. Export a smaller encoder."
        )
    if told.pixels.interpolation == "nearest":
        raise ConfigError(
            f"{bundle} resizes pictures by 'nearest', which the page cannot do. Use another encoder."
        )
    try:
        with whole_folder(out) as partial:
            version = vendor(partial / "ort", package)
            for name in PAGE_FILES:
                (partial / name).write_bytes(page_file(name))
            for name in ("ask.js", "pixels.js"):
                shutil.copyfile(_STATIC / name, partial / name)
            (partial / "settings.json").write_text(
                json.dumps({"threshold": threshold}) + "\n", encoding="utf-8"
            )
            (partial / "bundle").mkdir()
            kept = [name for name in told.files if name not in _LEFT]
            for name in (JSON, *kept):
                shutil.copyfile(bundle / name, partial / "bundle" / name)
            size = folder_size(partial / "bundle")
    except OSError as error:
        raise StoreError(f"The page cannot be written to {out}: {error}.") from error
    large = (
        " That is much for a visitor to wait for: --quantize int8 makes it a quarter, a smaller encoder less."
        if size > LARGE
        else ""
    )
    return f"{out}: a page with {len(told.class_names)} classes and onnxruntime-web {version}; the bundle has {size / 1e6:.1f} MB.{large}"
