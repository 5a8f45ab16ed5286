"""``susx evaluate``: methods on files of features, with no images at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from susx.commands.endings import JsonFile, a_folder
from susx.commands.import_features import Backbone, Dataset, Prompts, Support, Text

if TYPE_CHECKING:
    from rich.console import Console

    from susx.experiment.evaluate_features import Experiment
    from susx.experiment.result_rows import Row

__all__ = ["evaluate"]


def evaluate(
    features: Annotated[
        list[Path],
        typer.Option(
            "--features",
            help="Features: this project's, Tip-Adapter's or SuS-X's folder, .npz or .npy arrays; repeatable, a data set each.",
        ),
    ],
    pool: Annotated[
        Path | None, typer.Option(help="Folder with features.npy to retrieve the support from.")
    ] = None,
    per_class: Annotated[int, typer.Option(help="Images per class retrieved from the pool.")] = 16,
    methods: Annotated[str, typer.Option(help="Joined by commas; default all that the features allow.")] = "",
    tuning: Annotated[str, typer.Option(help="fixed, support, val; joined by commas.")] = "fixed,support,val",
    shots: Annotated[str, typer.Option(help="Few-shot: numbers of labelled shots, as 1,2,4,8,16.")] = "",
    draws: Annotated[
        int | None, typer.Option(min=1, help="Draws of the shots that a row is the mean of; default 3.")
    ] = None,
    shrinkage: Annotated[
        float, typer.Option(help="Of tuning 'support' towards the fixed values, 0 to 1.")
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(help="Of folds, and of the halves of a validation split without test.")
    ] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="METHOD.NAME=VALUE, a hyper-parameter of a method named; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where methods train: auto, cpu, cuda ...")] = "auto",
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder that trainings resume from; by default one in the cache, emptied at the end."
        ),
    ] = None,
    json_file: JsonFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write a folder with rows, inputs, versions and what was said of every image.",
            callback=a_folder,
        ),
    ] = None,
    text: Text = None,
    dataset: Dataset = None,
    backbone: Backbone = None,
    support: Support = None,
    prompts: Prompts = None,
) -> None:
    """Measure methods on features: top-1 with its 95 % interval, per method and tuning protocol.

    Where there is no test split, the validation split is halved by class: one half for tuning 'val', one to
    measure on.
    """
    from susx.commands.console import output, write_json
    from susx.device import find_device
    from susx.experiment.data import check_together
    from susx.experiment.evaluate_features import evaluate_features
    from susx.features.feature_folder import read_features
    from susx.methods import Run
    from susx.results.evaluated import result_of, write_evaluated
    from susx.results.format import as_json
    from susx.results.result_files import check_out

    if out is not None:
        check_out(out)
    names = _names(features, dataset)
    loaded = {
        name: read_features(
            folder, dataset=dataset, backbone=backbone, support=support, prompts=prompts, text=text
        )
        for name, folder in names.items()
    }
    check_together(loaded)
    console, experiments = output(json_file), {}
    for name, held in loaded.items():
        folder = checkpoints or _cache_of(held.source, seed)
        experiments[name] = evaluate_features(
            held,
            pool=pool,
            per_class=per_class,
            methods=_with_settings(_listed(methods), settings or ()),
            tuning=_listed(tuning),
            shots=_numbers(shots) if shots else (),
            draws=_draws(draws, shots),
            shrinkage=shrinkage,
            seed=seed,
            dataset=name,
            run=Run(device=find_device(device), folder=folder),
        )
        if checkpoints is None:
            shutil.rmtree(folder, ignore_errors=True)
        _print(experiments[name], console)
    if json_file is None and out is None:
        return
    files = [*names.values(), *([text] if text else []), *([pool] if pool else [])]
    result = result_of(experiments, files)
    write_json(json_file, as_json(result))
    if out is not None:
        write_evaluated(out, result, experiments, {name: held.class_names for name, held in loaded.items()})
        console.print(f"Result: {out} (tables: susx report table {out})", soft_wrap=True, markup=False)


def _names(features: Iterable[Path], dataset: str | None) -> dict[str, Path]:
    """Return the features by the name of their data set.

    Raises:
        ConfigError: two of one name, or one name for several.
    """
    from susx.errors import ConfigError

    folders = list(features)
    if dataset is not None and len(folders) > 1:
        raise ConfigError(
            f"--dataset names one data set ({dataset}), and --features {len(folders)}. Leave it out."
        )
    named: dict[str, Path] = {}
    for folder in folders:
        name = dataset or (folder.stem if folder.is_file() else folder.absolute().name)
        if name in named:
            raise ConfigError(
                f"Two data sets are called '{name}': {named[name]} and {folder}. Rename one of the folders, or evaluate them apart."
            )
        named[name] = folder
    return named


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _with_settings(names: list[str], settings: Sequence[str]) -> list[str] | dict[str, dict[str, Any]]:
    """Return the methods with the hyper-parameters that were set.

    Raises:
        ConfigError: a setting of a method that is not named, or no METHOD.NAME=VALUE.
    """
    from susx.config.yaml_text import parse_yaml
    from susx.errors import ConfigError

    if not settings:
        return names
    chosen: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting in settings:
        key, sign, value = setting.partition("=")
        method, dot, name = key.strip().partition(".")
        if not (sign and dot and name and method in chosen):
            raise ConfigError(
                f"--set takes METHOD.NAME=VALUE of a method named with --methods ({', '.join(names) or 'none'}), "
                f"found '{setting}'."
            )
        if name in chosen[method]:
            raise ConfigError(f"--set {key.strip()} is given twice; give it once.")
        chosen[method][name] = parse_yaml(value, f"--set {key}")
    return chosen


def _cache_of(source: str, seed: int) -> Path:
    """Return where trainings on these features are resumed from, in the user's cache."""
    import platformdirs

    from susx.store import digest_json

    return platformdirs.user_cache_path("susx") / "training" / digest_json([source, seed])[:16]


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list such as 1,2,4.

    Raises:
        ConfigError: an entry is no positive number.
    """
    from susx.errors import ConfigError

    entries = _listed(text)
    if not entries or not all(entry.isdecimal() and int(entry) > 0 for entry in entries):
        raise ConfigError(f"--shots expects numbers from 1 up, joined by commas, found '{text}'.")
    return [int(entry) for entry in entries]


def _draws(asked: int | None, shots: str) -> int:
    """Return the draws of the shots.

    Raises:
        ConfigError: draws were asked for, and no shots.
    """
    from susx.errors import ConfigError
    from susx.experiment.result_rows import DRAWS

    if asked is not None and not shots:
        raise ConfigError(
            "--draws says how often labelled shots are drawn; name their numbers with --shots 1,2,4."
        )
    return DRAWS if asked is None else asked


def _print(experiment: Experiment, console: Console) -> None:
    from susx.commands.console import escape
    from susx.commands.terminal_table import Column, print_table
    from susx.methods.access import access_text

    drawn = any(row.runs for row in experiment.rows)
    columns = [
        *(Column(heading, "name") for heading in ("method", "tuning", "support", "looks at")),
        *(
            Column(heading, "number")
            for heading in ("top-1 %", "95 % interval", "gain", "95 % interval", "n")
        ),
        *([Column("draws", "number")] if drawn else []),
        Column("hyper-parameters"),
    ]
    rows = []
    for row in experiment.rows:
        gain, between = "", ""
        if row.gain is not None and row.gain_low is not None and row.gain_high is not None:
            gain = f"{100 * row.gain:+.2f}"
            between = f"{100 * row.gain_low:+.2f} to {100 * row.gain_high:+.2f}"
        rows.append((
            row.method, row.tuning, row.support, access_text(row.access), f"{100 * (row.top1 or 0):.2f}", f"{100 * (row.low or 0):.2f} to {100 * (row.high or 0):.2f}", gain, between,
            str(row.n), *([_range(row)] if drawn else []),
            ", ".join(f"{name} {value:.4g}" for name, value in row.hyper_parameters.items()),
        ))  # fmt: skip
    print_table(console, f"{escape(experiment.source)}: top-1 on {experiment.split}", columns, rows)
    for note in sorted({row.note for row in experiment.rows} - {""}):
        console.print(note)


def _range(row: Row) -> str:
    """Return how many draws of the shots a row is the mean of, and between what they lie."""
    reached = [100 * run["top1"] for run in row.runs]
    return f"{len(reached)}: {min(reached):.2f} to {max(reached):.2f}" if reached else "1"
