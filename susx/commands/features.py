"""``susx evaluate`` and ``susx import-features``: methods on files of features, with no images at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from susx.commands.endings import JsonFile, a_folder

if TYPE_CHECKING:
    from rich.console import Console

    from susx.experiment.features import Experiment
    from susx.experiment.rows import Row

__all__ = ["evaluate", "import_features"]

Folder = Annotated[
    Path, typer.Option("--features", help="Folder of features: this project's, Tip-Adapter's or SuS-X's.")
]
Text = Annotated[Path | None, typer.Option(help="Text classifier kept elsewhere (.npy or .pt).")]
Dataset = Annotated[
    str | None, typer.Option(help="Data set: of a SuS-X folder, and for Tip-Adapter's search scales.")
]
Backbone = Annotated[str | None, typer.Option(help="Backbone, where a SuS-X folder holds several.")]
Support = Annotated[str | None, typer.Option(help="Support set of a SuS-X folder: lc_photo, sd_cupl ...")]
Prompts = Annotated[
    str | None, typer.Option(help="Text classifier of a SuS-X folder: combined, cupl, ensemble ...")
]


def evaluate(
    features: Folder,
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
    import dataclasses

    from susx.commands.console import output, write_json
    from susx.device import find_device
    from susx.experiment.features import evaluate_features
    from susx.features.files import read_features
    from susx.methods import Run

    loaded = read_features(
        features, dataset=dataset, backbone=backbone, support=support, prompts=prompts, text=text
    )
    folder = checkpoints or _cache_of(loaded.source, seed)
    experiment = evaluate_features(
        loaded,
        pool=pool,
        per_class=per_class,
        methods=_with_settings(_listed(methods), settings or ()),
        tuning=_listed(tuning),
        shots=_numbers(shots) if shots else (),
        draws=_draws(draws, shots),
        shrinkage=shrinkage,
        seed=seed,
        dataset=dataset or features.name,
        run=Run(device=find_device(device), folder=folder),
    )
    if checkpoints is None:
        shutil.rmtree(folder, ignore_errors=True)
    _print(experiment, output(json_file))
    write_json(json_file, dataclasses.asdict(experiment))


def import_features(
    features: Folder,
    out: Annotated[
        Path,
        typer.Option(help="Folder to write features.safetensors and features.json to.", callback=a_folder),
    ],
    shots: Annotated[
        int | None, typer.Option(help="Which keys_{shots}shots.pt of a Tip-Adapter folder.")
    ] = None,
    text: Text = None,
    dataset: Dataset = None,
    backbone: Backbone = None,
    support: Support = None,
    prompts: Prompts = None,
) -> None:
    """Convert a folder of features, from Tip-Adapter or SuS-X, to this project's safetensors."""
    from rich.console import Console
    from rich.markup import escape

    from susx.features.feature_set import SPLITS
    from susx.features.files import read_features, write_features

    loaded = read_features(
        features, shots=shots, dataset=dataset, backbone=backbone, support=support, prompts=prompts, text=text
    )
    write_features(loaded, out)
    sizes = ", ".join(
        f"{len(getattr(loaded, name))} {name}" for name in SPLITS if getattr(loaded, name) is not None
    )
    Console(highlight=False).print(
        f"{escape(str(out))}: {loaded.classes} classes, {sizes or 'no images'} from {escape(loaded.source)}",
        soft_wrap=True,
    )


def _listed(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


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
        place, sign, value = setting.partition("=")
        method, dot, name = place.strip().partition(".")
        if not (sign and dot and name and method in chosen):
            raise ConfigError(
                f"--set takes METHOD.NAME=VALUE of a method named with --methods ({', '.join(names) or 'none'}), "
                f"found '{setting}'."
            )
        if name in chosen[method]:
            raise ConfigError(f"--set {place.strip()} is given twice; give it once.")
        chosen[method][name] = parse_yaml(value, f"--set {place}")
    return chosen


def _cache_of(source: str, seed: int) -> Path:
    """Return where trainings on these features are resumed from, in the user's cache."""
    import platformdirs

    from susx.store import digest_json

    return platformdirs.user_cache_path("susx") / "training" / digest_json([source, seed])[:16]


def _numbers(words: str) -> list[int]:
    """Return the numbers of a list such as 1,2,4.

    Raises:
        ConfigError: an entry is no positive number.
    """
    from susx.errors import ConfigError

    entries = _listed(words)
    if not entries or not all(entry.isdigit() and int(entry) > 0 for entry in entries):
        raise ConfigError(f"--shots expects numbers from 1 up, joined by commas, found '{words}'.")
    return [int(entry) for entry in entries]


def _draws(asked: int | None, shots: str) -> int:
    """Return the draws of the shots.

    Raises:
        ConfigError: draws were asked for, and no shots.
    """
    from susx.errors import ConfigError
    from susx.experiment.rows import DRAWS

    if asked is not None and not shots:
        raise ConfigError(
            "--draws says how often labelled shots are drawn; name their numbers with --shots 1,2,4."
        )
    return DRAWS if asked is None else asked


def _print(experiment: Experiment, console: Console) -> None:
    from susx.commands.console import escape
    from susx.commands.table import Column, print_table
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
            row.method, row.tuning, row.support, access_text(row.access), f"{100 * row.top1:.2f}", f"{100 * row.low:.2f} to {100 * row.high:.2f}", gain, between,
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
