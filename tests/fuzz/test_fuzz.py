"""Everything that reads what others made, against damaged copies of a small corpus: a refusal in words, or a sound value.

The corpus is our own, a few hundred bytes a file; what was once found is added to it as a file. A run is reproducible: a
failure names its case, and case N of a target is the same everywhere. ``pytest -m nightly tests/fuzz`` goes on for an hour.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import httpx
import numpy as np
import pytest
import torch

from susx.classifier import ClassifierFacts, load_classifier, read_classifier, save_classifier
from susx.classifier.connections import create_server
from susx.classifier.serve import create_app
from susx.classifier.service_limits import Limits
from susx.config import EncoderConfig, load_dataset, load_profile
from susx.encoder_id import EncoderId
from susx.errors import SusxError
from susx.features.encoder import load_encoder
from susx.features.feature_folder import read_features, write_features
from susx.features.feature_set import FeatureSet, Split
from susx.image_files import ImageLimits, open_image
from susx.methods import METHODS, Evidence, ImageFeatures
from susx.methods.state import Fitted
from susx.naming.sentences import read_sentences
from susx.records import SupportRow
from susx.testing.mutations import mutated

CORPUS = Path(__file__).parent / "corpus"
NAMES = ("cat", "dog", "eel")


def unit(seed: int, rows: int, dim: int = 8) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    )


def decode(data: bytes, folder: Path) -> None:
    image = open_image(data, ImageLimits(max_pixels=1_000_000))
    assert image.mode == "RGB"
    assert len(image.tobytes()) == 3 * image.width * image.height


def describe(data: bytes, folder: Path) -> None:
    path = folder / "x.yaml"
    path.write_bytes(data)
    for load in (load_dataset, load_profile):
        with suppress(SusxError):
            assert load(str(path)).name


def sentences(data: bytes, folder: Path) -> None:
    for ending in ("yaml", "json"):
        path = folder / f"x.{ending}"
        path.write_bytes(data)
        with suppress(SusxError):
            table = read_sentences(path)
            assert all(isinstance(s, str) for value in table.values() for s in value)


def features(data: bytes, folder: Path) -> None:
    found = read_features(folder)
    assert len(found.class_names) == len(found.text)
    assert math.isfinite(found.logit_scale)
    for split in (found.support, found.validation, found.test):
        assert split is None or bool(torch.isfinite(split.features).all())


def classifier(data: bytes, folder: Path) -> None:
    stored = read_classifier(folder)
    logits = stored.fitted.logits(ImageFeatures(stored.zero_shot.text[:1]))
    assert bool(torch.isfinite(logits).all())


TARGETS = {
    "images": (decode, "images"),
    "yaml": (describe, "yaml"),
    "sentences": (sentences, "yaml"),
    "features": (features, ""),
    "tip_adapter": (features, ""),
    "classifier": (classifier, ""),
}


def made(target: str, folder: Path) -> dict[str, bytes]:
    """Files of a target: of the corpus, or what this version writes."""
    labels = torch.tensor([0, 0, 1, 2])
    if target == "features":
        split = Split(unit(1, 4), labels)
        write_features(FeatureSet(NAMES, unit(0, 3), 100.0, support=split, test=split), folder)
    elif target == "tip_adapter":
        torch.save(unit(1, 6).T.contiguous(), folder / "keys_2shots.pt")
        torch.save(torch.eye(3).repeat_interleave(2, 0), folder / "values_2shots.pt")
        np.save(folder / "text.npy", unit(0, 3).numpy())
        torch.save(unit(2, 4), folder / "test_f.pt")
        torch.save(labels, folder / "test_l.pt")
        (folder / "classnames.txt").write_text("\n".join(NAMES))
    elif target == "classifier":
        fitted = Fitted.of(METHODS["tip_x"](), Evidence(unit(0, 3), 100.0, unit(1, 4), labels))
        rows = [SupportRow(NAMES[i], f"{i}.jpg", "", "generated", "a prompt") for i in labels.tolist()]
        facts = ClassifierFacts(NAMES, EncoderId("susx-tiny", "d" * 64), dataset="d", toy=True)
        folder.rmdir()
        save_classifier(folder, facts, fitted, support_features=unit(1, 4), support_rows=rows)
    else:
        return {path.name: path.read_bytes() for path in sorted((CORPUS / TARGETS[target][1]).iterdir())}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def campaign(
    name: str, files: dict[str, bytes], check: Callable[[str, bytes], None], seconds: float, first: int
) -> int:
    """Check damaged copies until the time is over; returns how many."""
    end, number = time.monotonic() + seconds, first
    while time.monotonic() < end:
        random = Random(f"{name} {number}")
        file = random.choice(sorted(files))
        data = mutated(files[file], random, list(files.values()))
        try:
            check(file, data)
        except SusxError as error:
            # One paragraph, and nothing in it that a person could not read.
            assert 0 < len(str(error)) < 3000, f"{name}, case {number}"  # noqa: PT017
        except BaseException as error:
            raise AssertionError(f"{name}, case {number}: {file} as {data[:300]!r}") from error
        number += 1
    return number - first


SECONDS = pytest.mark.parametrize("seconds", [2.5, pytest.param(500, marks=pytest.mark.nightly)])


def first_case(seconds: float) -> int:
    """The short run is the same every time; the long one goes where none was before."""
    return 0 if seconds < 10 else int(time.time())


@SECONDS
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.timeout(900)
def test_damaged_files_are_refused_or_sound(tmp_path, target, seconds):
    """Whatever is done to one file, nothing but an error of susx comes out."""
    folder = tmp_path / "of"
    folder.mkdir()
    files = made(target, folder)
    read, corpus = TARGETS[target]

    def check(file: str, data: bytes) -> None:
        if not corpus:
            (folder / file).write_bytes(data)
        try:
            read(data, folder)
        finally:
            if not corpus:
                (folder / file).write_bytes(files[file])

    for file, data in files.items():  # as they are
        if target != "sentences":
            check(file, data)
    assert campaign(target, files, check, seconds, first_case(seconds)) > 20


@contextmanager
def service(folder: Path):
    """The service of a classifier of three classes, with limits that a test can wait for."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    fitted = Fitted.of(METHODS["zero_shot"](), Evidence(encoder.encode_texts(NAMES), encoder.logit_scale))
    facts = ClassifierFacts(NAMES, encoder.identity, toy=True)
    limits = dataclasses.replace(Limits(), timeout=0.5, header_timeout=0.5, max_bytes=100_000)
    app = create_app(load_classifier(save_classifier(folder, facts, fitted)), limits)
    with socket.socket() as listening, ThreadPoolExecutor(1) as pool:
        listening.bind(("127.0.0.1", 0))
        server = create_server(app, limits)
        ended = pool.submit(asyncio.run, server.serve(sockets=[listening]))
        try:
            while not server.started and not ended.done():
                time.sleep(0.01)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            ended.result(60)


@SECONDS
@pytest.mark.timeout(900)
def test_damaged_requests_never_are_an_error_of_the_server(tmp_path, seconds):
    """Headers, forms and pictures changed anywhere: an answer or a 4xx, and the next question is answered."""
    files = {path.name: path.read_bytes() for path in sorted((CORPUS / "http").iterdir())}
    with service(tmp_path / "c") as address:

        def check(file: str, data: bytes) -> None:
            with socket.create_connection(address, timeout=30) as connection, suppress(ConnectionError):
                connection.sendall(data)
                connection.settimeout(0.1)  # what waits for more is left alone
                with suppress(TimeoutError):
                    answer = connection.recv(65536)
                    status = answer.split(b" ", 2)[1] if answer else b""
                    assert (
                        not answer
                        or status in (b"100", b"200")
                        or status.startswith(b"4")
                        or status == b"503"
                    ), answer

        for file, data in files.items():
            check(file, data)
        assert campaign("http", files, check, seconds, first_case(seconds)) > 5
        health = httpx.get("http://{}:{}/healthz".format(*address), trust_env=False, timeout=30)
        assert health.status_code == 200
