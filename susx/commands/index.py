"""``susx index build | add | serve | info``: retrieval indices over one's own images, or over published embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from susx.features.encoder import Encoder

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Build, add, serve and inspect retrieval indices.")

Profile = Annotated[str, typer.Option(help="Profile whose encoder is used.")]
Model = Annotated[
    str | None,
    typer.Option("--encoder", help="open_clip architecture, or susx-tiny; in place of the profile's."),
]
Pretrained = Annotated[str, typer.Option(help="With --encoder: open_clip tag or path of a checkpoint.")]


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Folder of the index; made if need be.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of images; x.txt beside x.jpg is its caption.")
    ] = None,
    urls: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with the columns url and caption.")
    ] = None,
    tars: Annotated[str | None, typer.Option(help="Glob of WebDataset tar files.")] = None,
    profile: Profile = "demo",
    encoder: Model = None,
    pretrained: Pretrained = "",
    tool: Annotated[str, typer.Option(help="What computes features: auto, clip-retrieval or susx.")] = "auto",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Fetch links to loopback and private addresses as well.")
    ] = False,
) -> None:
    """Build an index in clip-retrieval's layout. A killed build goes on where it was; a current index is left alone.

    Photographs that a store has features of (SUSX_STORE, or susx-store where it is there) are not encoded again.
    """
    from susx.commands.shared_options import store_at_hand
    from susx.config import load_profile
    from susx.errors import ConfigError
    from susx.features.remembered import RememberedFeatures
    from susx.images.retrieve.index_build import build_index

    if tool not in ("auto", "clip-retrieval", "susx"):
        raise ConfigError(f"--tool is auto, clip-retrieval or susx; found '{tool}'.")
    download = load_profile(profile).download
    if allow_private:
        download = download.model_copy(update={"allow_private": True})
    loaded, store = _encoder(profile, encoder, pretrained), store_at_hand()
    remembered = None if store is None else RememberedFeatures(store, loaded.identity)
    manifest = build_index(
        folder, loaded, images=images, urls=urls, tars=tars, download=download, remembered=remembered,
        tool=tool,  # type: ignore[arg-type]
    )  # fmt: skip
    rejected = ", ".join(f"{count} {reason}" for reason, count in manifest.rejected.items()) or "none"
    typer.echo(f"{folder}: {manifest.rows} images, {manifest.dim} dimensions, encoder {manifest.encoder}")
    typer.echo(f"Left out: {rejected}")


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="Folder of the index; must not exist.")],
    source: Annotated[
        Path, typer.Option("--from", help="clip-retrieval folder, parquet (or a folder of it), .npy or .h5.")
    ],
    rows: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with url and caption of the rows of .npy or .h5.")
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help="Column or data set of the embeddings, where there are several.")
    ] = None,
    profile: Profile = "demo",
    encoder: Model = None,
    pretrained: Pretrained = "",
) -> None:
    """Make an index of published embeddings: nothing is encoded, and large files are linked, not copied."""
    from susx.images.retrieve.index_add import add_index

    added = add_index(folder, _encoder(profile, encoder, pretrained), source, rows=rows, embedding=embedding)
    made = added.manifest
    typer.echo(f"{folder}: {made.rows} images, {made.dim} dimensions, encoder {made.encoder}")
    if added.gain is None:
        typer.echo("Not checked: without captions nothing tells whether this encoder made the embeddings.")
    else:
        gain_text = f"Captions are nearer to their own images than to others by {added.gain:+.3f} (standard error {added.error:.3f})"
        typer.echo(
            f"{gain_text}: they fit the encoder."
            if added.fits
            else f"warning: {gain_text}: another encoder may have made them."
        )


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of the index.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every interface.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 1234,
    name: Annotated[str, typer.Option(help="Name of the index at the service.")] = "susx",
    profile: Profile = "demo",
    encoder: Model = None,
    pretrained: Pretrained = "",
) -> None:
    """Serve an index with clip-retrieval's own HTTP server until interrupted."""
    from susx.images.retrieve.index_server import serve as run
    from susx.images.retrieve.index_server import server_job

    job = server_job(folder, _encoder(profile, encoder, pretrained), host=host, port=port, name=name)
    typer.echo(f"Loading {folder}; queries will go to http://{host}:{port}/knn-service")
    run(job)


@app.command()
def info(folder: Annotated[Path, typer.Argument(help="Folder of the index.")]) -> None:
    """Print encoder, size, dimension and columns of an index."""
    from susx.images.retrieve.backends.index import open_index
    from susx.images.retrieve.backends.metadata import IndexMetadata
    from susx.images.retrieve.index_manifest import IndexManifest

    index, metadata, manifest = open_index(folder), IndexMetadata(folder), IndexManifest.read(folder)
    lower = {column.lower(): column for column in metadata.columns}
    lines = {
        "encoder": f"{manifest.encoder} (sha256 {manifest.digest[:12]})" if manifest else "not recorded",
        "images": str(index.ntotal),
        "dimension": str(index.d),
        "kind": type(index).__name__,
        "features by": manifest.tool if manifest else "unknown",
        "left out": ", ".join(f"{n} {why}" for why, n in manifest.rejected.items()) or "none"
        if manifest
        else "unknown",
        "columns": ", ".join(metadata.columns),
        "licence column": next((lower[name] for name in ("license", "licence") if name in lower), "none"),
        "NSFW column": next((lower[name] for name in ("punsafe", "nsfw") if name in lower), "none"),
    }
    for key, value in lines.items():
        typer.echo(f"{key + ':':<16}{value}")


def _encoder(profile: str, model: str | None, pretrained: str) -> Encoder:
    from susx.config import EncoderConfig, load_profile
    from susx.features.encoder import load_encoder

    config = EncoderConfig(model=model, pretrained=pretrained) if model else load_profile(profile).encoder
    return load_encoder(config)
