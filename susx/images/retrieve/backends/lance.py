"""A Lance data set of images with captions, vectors or both, on a disk, in a bucket or on the Hub: no dead links, the bytes come with the row.

How it is searched: :mod:`susx.images.retrieve.backends.lance_search`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Literal

from susx.config import EncoderConfig
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError, did_you_mean
from susx.images.retrieve.backends.backend import About, Backend, BackendSettings, Delivers, Opening
from susx.images.retrieve.backends.lance_search import LanceBackend, vector_column
from susx.images.retrieve.backends.vector_maker import identity_of, told_maker
from susx.images.retrieve.extra import require
from susx.images.retrieve.web.reach import answers_in_three
from susx.types import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from lancedb.table import Table

__all__ = ["LanceBackend", "LanceSettings"]

# Lance writes hints for its own users to standard error.
os.environ.setdefault("LANCE_LOG", "error")


class LanceSettings(BackendSettings):
    """A Lance data set."""

    about: ClassVar[About | None] = About("images with the row, by vector or words")
    delivers: ClassVar[frozenset[Delivers]] = frozenset({Delivers.LINKS, Delivers.CAPTIONS})

    backend: Literal["lance"] = "lance"
    data: str | None = None
    """Path or address of a data set (``.../train.lance``, ``hf://...``, ``s3://...``) or of a folder of such. Keys of a bucket are read from the
    environment (``AWS_...``)."""
    table: str | None = None
    """Name of the data set in that folder; its only one when not given."""
    where: str | None = None
    """Condition in SQL over its columns that rows have to meet: ``punsafe < 0.1``."""
    vectors: Literal["auto", "ours", "none"] = "auto"
    """Whether its vectors are the profile's encoder's: found out by comparison, taken for true, or not searched."""
    vector: str | None = None
    """Column of vectors; its only one when not given."""
    made_by: EncoderConfig | None = None
    """Encoder that made the vectors (``made_by.model``, ``made_by.pretrained``), where it is another: its text tower finds candidates, which
    the profile's encoder ranks again. Where nothing is said, what lancedb wrote into the data set counts (its function ``open-clip``)."""
    caption: str | None = None
    label: str | None = None
    image: str | None = None
    link: str | None = None

    @property
    def takes_features(self) -> bool:
        """Vectors can be searched where they are our encoder's for sure."""
        return self.vectors == "ours"

    def reach(self) -> str:
        """See :meth:`BackendSettings.reach`."""
        _opened(self.data, self.table)
        return ""

    def check(self) -> None:
        """See :meth:`BackendSettings.check`."""
        if self.made_by is not None and self.vectors != "auto":
            raise ConfigError(
                f"retrieval.made_by names another encoder, and retrieval.vectors={self.vectors} asks for none; leave one of them out."
            )

    def identity(self, encoder: EncoderId) -> Json:
        """Return version and time of the data set, and what is searched of it."""
        data = _opened(self.data, self.table).to_lance()
        latest = data.versions()[-1]
        chosen = self.model_dump(
            include={"data", "table", "where", "vectors", "vector", "caption", "label", "image", "link"}
        )
        return {
            "backend": self.backend, "version": latest["version"], "time": str(latest["timestamp"]), **chosen,
            **self._maker(data.schema),
        }  # fmt: skip

    def _maker(self, schema: pa.Schema) -> dict[str, Json]:
        """Return which encoder besides ours is asked to find candidates, none where there is no other."""
        if self.vectors != "auto":
            return {}
        maker = told_maker(self.made_by, schema.metadata, vector_column(schema, self.vector, self.data or ""))
        return {} if maker is None else {"made_by": identity_of(maker)}

    def open(self, opening: Opening) -> Backend:
        """Open the data set."""
        chosen = {"caption": self.caption, "label": self.label, "image": self.image, "link": self.link}
        return LanceBackend(
            _opened(self.data, self.table), opening.encoder, chosen, where=self.where, vectors=self.vectors,
            vector=self.vector, licences=self.licence, made_by=self.made_by,
        )  # fmt: skip


def _opened(data: str | None, table: str | None) -> Table:
    """Open a data set, or one of a folder's.

    Raises:
        ConfigError: nothing was given, the extra is not installed, or a folder holds several.
        RetrievalError: nothing is there, or it cannot be reached.
    """
    if not data:
        raise ConfigError(
            "The backend 'lance' needs retrieval.data; pass --set retrieval.data=PATH of a data set (.../train.lance) or its address."
        )
    require("lancedb", "lance", extra="lance")
    import lancedb

    address = data.rstrip("/")
    local = "://" not in address
    if local and not os.path.isdir(os.path.expanduser(address)):
        raise RetrievalError(
            f"The backend 'lance' is told to use {data} (retrieval.data), which is not there."
        )
    address = os.path.abspath(os.path.expanduser(address)) if local else address
    if address.startswith("hf://") and (problem := answers_in_three(_hub())):
        raise RetrievalError(
            f"{data} (retrieval.data) cannot be reached: the Hugging Face Hub ({_hub()}) {problem}."
        )
    try:
        if address.endswith(".lance"):
            folder, _, name = address.rpartition("/")
            return lancedb.connect(folder).open_table(name.removesuffix(".lance"))
        database = lancedb.connect(address)
        names = [str(name) for name in database.list_tables().tables]
        if table is None and len(names) == 1:
            return database.open_table(names[0])
        if table in names:
            return database.open_table(table)
    except Exception as error:  # of as many kinds as there are places
        raise RetrievalError(
            f"{data} (retrieval.data) cannot be opened as a Lance data set: {str(error).splitlines()[0][:300]}"
        ) from error
    if not names:
        raise RetrievalError(f"{data} (retrieval.data) holds no Lance data sets.")
    raise ConfigError(
        f"{data} holds several data sets; set retrieval.table to one of {', '.join(names)}."
        + (did_you_mean(table, names) if table else "")
    )


def _hub() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
