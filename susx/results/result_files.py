"""Writing the folder of a result, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from susx.errors import ConfigError, InputError
from susx.printable import for_json
from susx.results.format import RESULT, Result, as_json, is_result, row_json
from susx.store.disk import whole_folder

__all__ = ["check_out", "write_result"]

_JSON_COLUMNS = ("parameters", "hyper_parameters", "runs")


def check_out(out: Path) -> None:
    """Refuse a place that holds something else than a result.

    Raises:
        ConfigError: it is a file, or a folder with other things.
    """
    if out.exists() and not (out.is_dir() and (is_result(out) or not any(out.iterdir()))):
        raise ConfigError(f"{out} holds something else than a result. Give another folder with --out.")


def write_result(
    out: Path, result: Result, images: Mapping[str, Callable[[Path], None]], experiment: str
) -> None:
    """Write a result; one that is there is replaced when the new one is whole.

    Args:
        out: its folder.
        result: rows and facts; each row names its file of images.
        images: file in the folder -> what writes it.
        experiment: the YAML as resolved; "" writes none.

    Raises:
        ConfigError: the folder holds something else.
        InputError: it cannot be written.
    """
    check_out(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(out) as folder:
            for name, write in images.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                write(folder / name)
            text = for_json(json.dumps(as_json(result), indent=1, ensure_ascii=False)) + "\n"
            (folder / RESULT).write_text(text, encoding="utf-8")
            if experiment:
                (folder / "experiment.yaml").write_text(experiment, encoding="utf-8")
            _write_rows(result, folder / "rows.parquet")
            if out.is_dir():
                shutil.rmtree(out)
    except OSError as error:
        raise InputError(f"{out}: the result cannot be written ({error}). Choose another folder.") from error


def _write_rows(result: Result, path: Path) -> None:
    import pandas as pd

    rows = []
    for row in result.rows:
        flat = row_json(row)
        rows.append(
            {name: json.dumps(value) if name in _JSON_COLUMNS else value for name, value in flat.items()}
        )
    frame = pd.DataFrame(rows)
    for name in ("top1", "low", "high", "top5", "mean_per_class", "macro_f1", "ece", "auroc", "gain", "gain_low", "gain_high",
                 "p_value", "shots", "draw", "seed"):  # fmt: skip
        if name in frame:
            frame[name] = frame[name].astype("float64")
    frame.to_parquet(path, index=False)
