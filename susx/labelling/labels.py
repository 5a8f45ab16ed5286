"""The labels of a folder in Python: what ``susx.label`` returns. Everything it does is a function that the commands call, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from susx.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from susx.labelling.auditing import Audited
    from susx.labelling.label_result import LabelResult
    from susx.labelling.review.serving import ReviewServer

__all__ = ["Labels"]


@dataclass(frozen=True)
class Labels:
    """The labels of a folder of photographs.

    Attributes:
        result: as it lies on the disk, or would.
    """

    result: LabelResult

    @classmethod
    def read(cls, folder: str | Path) -> Labels:
        """Return the labels that lie in a folder, with the corrections that people made since.

        Raises:
            InputError: the folder holds no labels.
        """
        from susx.labelling.label_result import LabelResult

        return cls(LabelResult.read(folder)).answered()

    @property
    def frame(self) -> pd.DataFrame:
        """One row per image: path, label, probability, second, second_probability, margin, none_of_these, group, by_person, digest."""
        return self.result.frame

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, those that people added last."""
        return self.result.classes

    @property
    def left_out(self) -> Mapping[str, str]:
        """Path -> reason of each file that could not be labelled."""
        return self.result.left_out

    def answered(self) -> Labels:
        """Return the labels with what people have said in the page since; the same where they said nothing."""
        from susx.labelling.corrected import as_corrected

        return Labels(as_corrected(self.result))

    def corrected(self, labels: Mapping[str, str]) -> Labels:
        """Return the labels once somebody has said some more: path (or sha256 of the file) -> label, "" for none of these.

        Raises:
            InputError: an image that is not in the table.
        """
        from susx.labelling.corrected import with_corrections

        digests = dict(zip(self.frame["path"], self.frame["digest"], strict=True))
        there = set(digests.values())
        corrected = {}
        for image, name in labels.items():
            digest = digests.get(image, image)
            if digest not in there:
                raise InputError(
                    f"'{image}' is no image of the table; give its path as it stands there, or its digest."
                )
            corrected[digest] = name
        return Labels(with_corrections(self.result, corrected))

    def save(self, folder: str | Path) -> Labels:
        """Write labels, record and report to a folder, and return the labels that lie there.

        Raises:
            InputError: the folder holds something else.
            StoreError: it cannot be written.
        """
        from susx.labelling.label_report import write_page

        written = self.result.write(folder)
        write_page(written)
        return Labels(written)

    def review(
        self, *, port: int = 0, who: str | None = None, photos: str | Path | None = None, show: bool = True
    ) -> ReviewServer:
        """Serve the page to look through labels and answer, on this machine, and return at once; ``close()`` ends it.

        ``answered()`` then has what was said.

        Args:
            port: 0 takes a free one.
            who: name that answers are given under; None: the login.
            photos: folder of the photographs, where they were moved since.
            show: whether the browser opens it.

        Raises:
            InputError: the labels lie in no folder yet.
            ServerError: the port is taken.
        """
        import webbrowser

        from susx.labelling.review.serving import ReviewServer

        if self.result.folder is None:
            raise InputError("These labels lie in no folder, where answers go: save(FOLDER) them first.")
        server = ReviewServer(self.result, port=port, who=who, photos=Path(photos) if photos else None)
        server.start()
        if show:
            webbrowser.open(server.address)
        return server

    def audit(
        self,
        n: int | None = None,
        *,
        error: float | None = None,
        share: float | None = None,
        confidence: float | None = None,
        again: bool = False,
        answers: str | Path | None = None,
    ) -> Audited:
        """Draw a random audit of the labels, or go on with the latest, and return what its answers promise.

        Args:
            n: images that a person will look at; None: 100.
            error: largest share of wrong labels in what is to be released, as 0.02.
            share: of the labels, the most confident, that are audited.
            confidence: of the promise; None: 0.95.
            again: draw another audit.
            answers: CSV of path and label to take answers from; ``review`` asks for them in its page.

        Raises:
            InputError: the labels lie in no folder yet, or another question than that of the latest audit.
        """
        from susx.labelling.auditing import audit_labels

        return audit_labels(
            self.result, n, error=error, share=share, confidence=confidence, again=again,
            answers=Path(answers) if answers is not None else None,
        )  # fmt: skip

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV, which no spreadsheet takes for formulas.

        Raises:
            StoreError: it cannot be written.
        """
        from susx.labelling.label_table import as_csv

        _write(Path(path), as_csv(self.answered().frame))

    def to_parquet(self, path: str | Path) -> None:
        """Write the table as parquet.

        Raises:
            StoreError: it cannot be written.
        """
        from susx.labelling.label_table import as_parquet

        _write(Path(path), as_parquet(self.answered().frame))

    def to_coco(self, out: str | Path, *, least: float = 0.0) -> int:
        """Write images and ``annotations.json`` to a new folder; returns and raises as ``export``."""
        return self.export("coco", out, least=least)

    def to_fiftyone(self, out: str | Path, *, least: float = 0.0) -> int:
        """Write a FiftyOneImageClassificationDataset to a new folder; returns and raises as ``export``."""
        return self.export("fiftyone", out, least=least)

    def to_label_studio(self, out: str | Path, *, least: float = 0.0) -> int:
        """Write tasks and configuration of Label Studio to a new folder; returns and raises as ``export``."""
        return self.export("label-studio", out, least=least)

    def to_datasets(self, out: str | Path, *, least: float = 0.0) -> int:
        """Write parquet with the images, as ``datasets.load_dataset`` reads it; returns and raises as ``export``."""
        return self.export("datasets", out, least=least)

    def to_webdataset(self, out: str | Path, *, least: float = 0.0) -> int:
        """Write tar files to a new folder; returns and raises as ``export``."""
        return self.export("webdataset", out, least=least)

    def export(self, form: str, out: str | Path, *, least: float = 0.0) -> int:
        """Write the labels, corrections among them, for another program, and return the number of images.

        Args:
            form: coco, fiftyone, label-studio, datasets or webdataset.
            out: folder, new or empty.
            least: probability from which a label counts; what a person said has 1.

        Raises:
            ConfigError: no such format.
            InputError: ``out`` is not empty, or an image changed.
        """
        from susx.labelling.export import export_labels

        return export_labels(self.answered().result, form, Path(out), least=least)


def _write(path: Path, data: bytes) -> None:
    from susx.store import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}. Choose another place.") from error
