"""``susx import-features``: feature caches of other projects into this project's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from susx.commands.endings import a_folder

__all__ = ["Backbone", "Dataset", "Prompts", "Support", "Text", "import_features"]

Folder = Annotated[
    Path,
    typer.Option(
        "--features", help="Features: this project's, Tip-Adapter's or SuS-X's folder, .npz or .npy arrays."
    ),
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

    from susx.features.feature_folder import read_features, write_features
    from susx.features.feature_set import SPLITS

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
