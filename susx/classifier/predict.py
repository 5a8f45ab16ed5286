"""Classifying a stream of images: decoding runs ahead of the encoder, broken images stay in the stream."""

from __future__ import annotations

import glob
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from susx.classifier.predictions import About, Answering, Prediction
from susx.file_patterns import matching_files
from susx.image_files import LOCAL, BadImage, open_image, upright_rgb
from susx.image_folder import require_images

__all__ = ["as_record", "decode", "expand", "predict_stream"]

_LARGEST_BLOCK = 16


def expand(arguments: Iterable[str]) -> Iterator[Path]:
    """Yield the files that arguments mean: files, folders (all images below, sorted), and glob patterns.

    Of a folder, files with other endings are passed over; a file that is named is always tried.

    Raises:
        InputError: a folder without images, or a pattern without matches.
    """
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            yield from require_images(path).files
        elif not path.exists() and (glob.has_magic(argument) or "{" in argument):
            yield from matching_files(argument)
        else:
            yield path


def predict_stream(
    classifier: Answering, images: Iterable[str | Path | Image.Image], *, top_k: int = 5, explain: int = 3
) -> Iterator[Prediction]:
    """Yield one prediction per image, in order. Photographs are scaled to the encoder's input where they are decoded, so that
    only as many are held as there are threads.

    The first predictions come after one batch; blocks then grow to 16 batches, so that the encoder's own pipeline
    seldom runs empty. A method that sees a folder at once (``row_wise`` False) gets all images as that folder, whatever
    the encoder's batches are.
    """
    classifier.load()
    workers = max(1, classifier.workers)
    size = classifier.batch_size if classifier.about.row_wise else sys.maxsize
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        stream = _prepared(pool, images, classifier, ahead=classifier.batch_size + 4 * workers)
        while block := list(_predict_block(classifier, stream, size, top_k, explain)):
            yield from block
            size = min(2 * size, _LARGEST_BLOCK * classifier.batch_size)


def _predict_block(
    classifier: Answering, stream: Iterator[tuple[str, Any]], size: int, top_k: int, explain: int
) -> Iterator[Prediction]:
    order: list[Prediction | None] = []
    names: list[str] = []

    def readable() -> Iterator[Any]:
        # The encoder pulls its inputs as it needs them; images that cannot be read are noted in passing.
        for name, prepared in islice(stream, size):
            if isinstance(prepared, str):
                order.append(Prediction(name, error=prepared))
            else:
                order.append(None)
                names.append(name)
                yield prepared

    features = classifier.encode(readable())
    good = iter(classifier.predict_features(names, features, top_k, explain) if names else ())
    for prediction in order:
        yield prediction if prediction is not None else next(good)


def _prepared(
    pool: ThreadPoolExecutor, images: Iterable[str | Path | Image.Image], classifier: Answering, ahead: int
) -> Iterator[tuple[str, Any]]:
    def prepare(image: str | Path | Image.Image) -> Any:
        recalled = None if isinstance(image, Image.Image) else classifier.recall(Path(image))
        if recalled is not None:
            return recalled
        decoded = decode(image)
        return decoded if isinstance(decoded, str) else classifier.prepare(decoded)

    waiting: deque[tuple[str, Future[Any]]] = deque()
    for number, image in enumerate(images):
        name = f"image {number}" if isinstance(image, Image.Image) else str(image)
        waiting.append((name, pool.submit(prepare, image)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def decode(image: str | Path | Image.Image) -> Image.Image | str:
    """Return the picture as support images are decoded, or a sentence that says why it cannot be used."""
    try:
        return upright_rgb(image) if isinstance(image, Image.Image) else open_image(Path(image), LOCAL)
    except BadImage as bad:
        return str(bad)
    except FileNotFoundError:
        return "There is no such file."
    except (OSError, ValueError) as error:  # ValueError: a NUL in a path
        return f"The file cannot be read: {error}."


def as_record(prediction: Prediction, about: About) -> dict[str, Any]:
    """Return a prediction as JSON values: image, and either error, or class_name, probability, top, nearest and what to know."""
    if prediction.error is not None:
        return {"image": prediction.image, "error": prediction.error}
    return {
        "image": prediction.image,
        "class_name": prediction.classes[0].class_name,
        "probability": round(prediction.classes[0].probability, 6),
        "top": [
            {
                "class_name": s.class_name,
                "probability": round(s.probability, 6),
                **({} if s.match is None else {"match": round(s.match, 6)}),
            }
            for s in prediction.classes
        ],
        "nearest": [
            {
                "class_name": n.row.class_name,
                "similarity": round(n.similarity, 6),
                "file": n.row.file,
                "origin": n.row.origin,
                "prompt": n.row.prompt,
                **({"url": n.row.url} if n.row.url else {}),
                **({"path": n.row.path} if n.row.path else {}),
                **({"original_digest": n.row.original_digest} if n.row.original_digest else {}),
            }
            for n in prediction.neighbours
        ],
        **({} if prediction.none_of_these is None else {"none_of_these": prediction.none_of_these}),
        "is_zero_shot": about.is_zero_shot,
        **_support_trust(prediction.classes[0].class_name, about),
        "calibrated_on": about.calibrated_on,
        "calibration_images": about.calibration_images,
        "toy": about.toy,
        **({"warning": about.warning} if about.warning else {}),
    }


def _support_trust(class_name: str, about: About) -> dict[str, float]:
    if not about.class_trust:
        return {}
    return {"support_trust": round(about.class_trust[about.class_names.index(class_name)], 6)}
