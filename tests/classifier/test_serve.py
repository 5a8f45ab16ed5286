"""The service: a real process on a free loopback port, under load and under abuse."""

from __future__ import annotations

import asyncio
import html
import io
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from PIL import Image, features

from susx.classifier import load_classifier
from susx.classifier.batching import InferenceWorker
from susx.classifier.connections import create_server
from susx.classifier.serve import create_app
from susx.classifier.service_limits import Busy, Limits
from susx.errors import ConfigError
from susx.methods import METHODS

HAS_AVIF = features.check("avif")
LIMITS = Limits(max_bytes=300_000, max_pixels=1_000_000, timeout=120)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


class Service:
    """The service on a free loopback port, in a thread of this process."""

    def __init__(self, classifier, limits=LIMITS):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        app = create_app(classifier, limits)
        self.server = create_server(app, limits)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        while not self.server.started and self.thread.is_alive():
            time.sleep(0.01)
        assert self.server.started

    def stop(self):
        """End it as SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def service(answering):
    running = Service(answering(batch_size=32))
    yield running
    running.stop()


@pytest.fixture
def client(service):
    with httpx.Client(base_url=service.url, timeout=300, trust_env=False) as client:
        yield client


def test_an_image_is_answered_with_classes_and_explanation(client, draw):
    """As the body and as a form field, with the same answer."""
    data = png(draw("grid", 3))
    body = client.post("/predict?top_k=2&explain=1", content=data, headers={"Content-Type": "image/png"})
    form = client.post("/predict?top_k=2&explain=1", files={"image": ("my grid.png", data, "image/png")})
    assert body.status_code == form.status_code == 200
    answer = body.json()
    assert len(answer["top"]) == 2
    assert len(answer["nearest"]) == 1
    assert answer["class_name"] == answer["top"][0]["class_name"]
    assert form.json()["image"] == "my grid.png"
    assert form.json()["probability"] == pytest.approx(answer["probability"], abs=1e-5)


@pytest.mark.parametrize("kind", ["lying", "transparent", "sixteen bits"])
def test_a_query_is_decoded_as_support_images_are(client, answering, draw, tmp_path, kind):
    """A rotated, transparent or 16-bit picture gets the answer of the upright RGB picture, from service and command."""
    picture, stored = draw("banded", 3), io.BytesIO()
    if kind == "lying":
        tags = Image.Exif()
        tags[0x0112] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(stored, "png", exif=tags)
    elif kind == "transparent":
        clear = picture.convert("RGBA")
        clear.putalpha(Image.linear_gradient("L").resize(picture.size))
        clear.save(stored, "png")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), clear).convert("RGB")
    else:
        grey = picture.convert("L")
        Image.fromarray(np.asarray(grey).astype(np.uint16) << 8).save(stored, "png")
        picture = grey.convert("RGB")
    path = tmp_path / "query.png"
    path.write_bytes(stored.getvalue())
    loaded = answering()
    (upright,), (asked,) = loaded.predict([picture], top_k=8), loaded.predict([path], top_k=8)
    served = client.post("/predict?top_k=8", content=stored.getvalue()).json()["top"]
    expected = [(s.class_name, pytest.approx(s.probability, abs=1e-4)) for s in upright.classes]
    assert [(s.class_name, s.probability) for s in asked.classes] == expected
    assert [(s["class_name"], s["probability"]) for s in served] == expected


def test_a_mutated_picture_is_never_an_error_of_the_server(client, draw):
    """AVIF, EPS and broken files of every known format: 200 or a 4xx, and Ghostscript does not start."""
    generator = np.random.default_rng(0)
    files = [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"]
    for kind in (
        "jpeg",
        "png",
        "gif",
        "webp",
        "bmp",
        "tiff",
        "ppm",
        "jpeg2000",
        *(["avif"] if HAS_AVIF else []),
    ):
        stream = io.BytesIO()
        draw("grid", 0).save(stream, kind)
        for _ in range(6):
            data = np.frombuffer(stream.getvalue(), np.uint8).copy()
            data[generator.integers(0, min(len(data), 400), 6)] = generator.integers(0, 256, 6)
            files.append(data.tobytes())
    statuses = {client.post("/predict", content=data).status_code for data in files}
    assert {400} <= statuses <= {200, 400, 413}
    assert client.post("/predict", content=files[0]).status_code == 400


REFUSED = {
    "garbage": ({"content": b"not an image"}, 400, "none of JPEG"),
    "nothing": ({"content": b""}, 400, "empty"),
    "too many bytes": ({"content": b"x" * 400_000}, 413, "300000 bytes"),
    "too many bytes in pieces": ({"content": [b"x" * 100_000] * 5}, 413, "300000 bytes"),
    "too many pixels": ({"content": png(Image.new("1", (2000, 2000)))}, 413, "2000x2000"),
    "cut off": ({"content": png(Image.effect_noise((200, 200), 50))[:5000]}, 400, "cut off"),
    "another type": (
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
        400,
        "not an image",
    ),
    "a line": ({"content": png(Image.new("1", (60000, 1)))}, 413, "60000x1"),
    "a form without image": ({"files": {"image": (None, b"x")}}, 400, "field 'image'"),
    "a form of two": ({"files": [("image", ("a", b"x")), ("image", ("b", b"x"))]}, 400, "Too many files"),
    "a form in an unknown character set": (
        {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b; charset=hex"}},
        400,
        "form",
    ),
    "a broken form": ({"content": b"xx", "headers": {"Content-Type": "multipart/form-data"}}, 400, "form"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_bad_requests_get_a_clear_refusal(client, kind):
    """A 4xx status and a sentence; the service goes on."""
    request, status, message = REFUSED[kind]
    if isinstance(request.get("content"), list):
        request = {"content": iter(request["content"])}
    answer = client.post("/predict", **request)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["detail"]
    assert client.get("/healthz").status_code == 200


def test_bad_parameters_and_methods_are_refused(client, draw):
    """top_k of 0, explain that is no number, GET."""
    data = png(draw("grid", 0))
    assert client.post("/predict?top_k=0", content=data).status_code == 422
    assert client.post("/predict?explain=x", content=data).status_code == 422
    assert client.get("/predict").status_code == 405
    assert client.post("/predict?top_k=1000", content=data).status_code == 200


def test_two_hundred_clients_each_get_their_own_answer(service, answering, draw, class_names):
    """Good and bad images at once, 200 connections; no answer is lost, swapped or a 5xx."""
    pictures = {(n, i): draw(n, i) for n in class_names for i in range(10)}
    alone = answering().predict(list(pictures.values()), top_k=1, explain=1)
    expected = {
        key: (p.classes[0].class_name, p.classes[0].probability, p.neighbours[0].row.file)
        for key, p in zip(pictures, alone, strict=True)
    }
    data = {key: png(picture) for key, picture in pictures.items()}
    keys = list(data)
    bad = [
        (b"garbage", 400),
        (b"x" * 400_000, 413),
        (png(Image.new("1", (3000, 3000))), 413),
        (data[keys[0]][:200], 400),
    ]

    async def one(client, number):
        results = []
        for turn in range(3):
            if (number + turn) % 4 == 3:
                content, status = bad[(number // 4 + turn) % len(bad)]
                answer = await client.post("/predict", content=content)
                results.append(answer.status_code == status)
            else:
                key = keys[(number * 7 + turn * 13) % len(keys)]
                answer = await client.post("/predict?top_k=1&explain=1", content=data[key])
                found = answer.json()
                name, probability, near = expected[key]
                results.append(
                    answer.status_code == 200
                    and found["class_name"] == name
                    and abs(found["probability"] - probability) < 1e-4
                    and found["nearest"][0]["file"] == near
                )
        return results

    async def all_of_them():
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        async with httpx.AsyncClient(
            base_url=service.url, limits=limits, timeout=120, trust_env=False
        ) as client:
            return await asyncio.gather(*(one(client, number) for number in range(200)))

    results = asyncio.run(all_of_them())
    assert len(results) == 200
    assert all(all(r) for r in results)
    metrics = httpx.get(f"{service.url}/metrics", trust_env=False).text
    served = {m[0]: float(m[1]) for m in re.findall(r'susx_requests_total\{status="(\d+)"\} (\S+)', metrics)}
    assert served["200"] >= 450
    assert served["400"] + served["413"] >= 150
    assert not [status for status in served if status.startswith("5")]
    assert "susx_batch_images_bucket" in metrics


def test_clients_that_hang_up_are_no_trouble(service, client, draw):
    """Half a body and gone, and a request whose answer nobody waits for."""
    for _ in range(5):
        with socket.create_connection(service.address) as connection:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    data = png(draw("grid", 0))
    for _ in range(5):
        with socket.create_connection(service.address) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data
            )
    assert client.post("/predict", content=data).status_code == 200


def test_the_page_describes_the_service(client):
    """Sizes, statuses and the forms of the body are in the OpenAPI description."""
    description = client.get("/openapi.json").json()
    operation = description["paths"]["/predict"]["post"]
    assert {"200", "400", "408", "413", "422", "503"} <= set(operation["responses"])
    assert "multipart/form-data" in operation["requestBody"]["content"]
    page = client.get("/docs").text
    assert "POST /predict/batch" in page
    assert "Nearest support images." in page
    assert "the embedded toy" in page
    assert "answers mean nothing" in page
    assert "--profile clip-vit-b16" in page
    # Without the network: nothing is loaded from elsewhere.
    assert not re.findall(r"(?:src|href)=\W?(?:https?:)?//", page)
    assert "<script" not in page


def test_health_says_what_answers(client):
    """Method, its values, what it was calibrated on, and that the encoder is a toy."""
    health = client.get("/healthz").json()
    assert health["classes"] == 8
    assert health["method"] == "tip_x"
    assert health["hyper_parameters"]["alpha"] == 1.0
    assert (health["calibrated_on"], health["calibration_images"]) == ("", 0)
    assert health["packaged"] == "packaged: TIP-X (fixed)."
    assert client.get("/openapi.json").json()["info"]["description"] == health["packaged"]
    assert health["toy"] is True
    assert health["is_zero_shot"] is False
    assert any("profiles list" in note for note in health["notes"])


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "image/jpeg; q=1", None])
def test_any_content_type_of_a_body_is_taken(client, draw, kind):
    """``curl --data-binary @photo.png`` calls the picture a urlencoded form."""
    headers = {"Content-Type": kind} if kind else {}
    assert client.post("/predict", content=png(draw("grid", 0)), headers=headers).status_code == 200


def test_the_documented_curl_commands_work(service, draw, tmp_path):
    """Those of the page, as they stand there, run by curl itself."""
    for name in ("photo", "one", "two"):
        (tmp_path / f"{name}.jpg").write_bytes(png(draw("grid", 0)))
    page = httpx.get(f"{service.url}/docs", trust_env=False).text
    commands = [html.unescape(line) for line in re.findall(r"(?:<pre>|\n)(curl .*?)(?=\n|</pre>)", page)]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(
            [*shlex.split(command), "--silent", "--noproxy", "*"], cwd=tmp_path, capture_output=True
        )
        assert '"class_name"' in done.stdout.decode(), done


def test_several_images_in_one_request(client, draw):
    """Answers in the order of the files, each as alone; what cannot be read has an error in its place."""
    data = [png(draw(name, 3)) for name in ("grid", "dotted")]
    files = [("image", ("a.png", data[0])), ("image", ("bad.png", b"x")), ("photo", ("b.png", data[1]))]
    answer = client.post("/predict/batch?top_k=1&explain=0", files=files)
    assert answer.status_code == 200
    first, bad, second = answer.json()["images"]
    assert bad["image"] == "bad.png"
    assert "none of JPEG" in bad["error"]
    for found, content in ((first, data[0]), (second, data[1])):
        alone = client.post("/predict?top_k=1", content=content).json()
        assert found["class_name"] == alone["class_name"]
        assert found["probability"] == pytest.approx(alone["probability"], abs=1e-5)
    assert client.post("/predict/batch", files=[("image", ("a", b"x"))] * 65).status_code == 400
    assert client.post("/predict/batch", content=b"").status_code == 200


def test_an_upload_that_does_not_arrive_is_given_up(answering):
    """408 after the timeout, over a body that stalls half way."""

    async def stalled():
        yield b"half"
        await asyncio.sleep(3600)

    async def post():
        app = create_app(answering(), Limits(timeout=0.2))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://susx") as client:
            return await client.post("/predict", content=stalled())

    answer = asyncio.run(asyncio.wait_for(post(), 300))
    assert answer.status_code == 408
    assert "0.2 seconds" in answer.json()["detail"]


@pytest.mark.nightly
def test_the_command_serves_until_it_is_told_to_end(place, draw):
    """A process of its own: the line with the address comes when it is true, SIGTERM ends it without a traceback."""
    code = "import sys; from susx.cli import main; main(sys.argv[1:])"
    arguments = [sys.executable, "-c", code, "serve", *place, "--port", "0"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        url = next(found[0] for line in process.stderr if (found := re.findall(r"http://[\d.]+:\d+", line)))
        answer = httpx.post(f"{url}/predict", content=png(draw("grid", 0)), timeout=120, trust_env=False)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert answer.status_code == 200
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in rest


def test_a_port_in_use_is_said_in_a_sentence(place):
    """Exit code 2 and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code = "import sys; from susx.cli import main; main(sys.argv[1:])"
        arguments = ["serve", *place, "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 2
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_queue_is_said_to_be_full(answering, draw):
    """Before the worker runs, pictures wait; one too many is refused and the others are answered later."""
    worker = InferenceWorker(answering(), max_waiting=3)
    futures = [worker.submit(draw("grid", i), str(i), 1, 0) for i in range(3)]
    with pytest.raises(Busy):
        worker.submit(draw("grid", 3), "3", 1, 0)
    futures[1].cancel()
    worker.start()
    assert futures[0].result(120).image == "0"
    assert futures[2].result(120).image == "2"
    worker.stop()
    assert not worker.alive


def test_one_picture_cannot_spoil_the_batch_of_others(answering, draw):
    """A picture that the encoder cannot take fails alone."""
    worker = InferenceWorker(answering())
    good = [worker.submit(draw("grid", i), str(i), 1, 0) for i in range(2)]
    wrong = worker.submit(Image.new("RGB", (0, 0)), "wrong", 1, 0)
    more = worker.submit(draw("dotted", 0), "more", 1, 0)
    worker.start()
    assert [f.result(120).image for f in (*good, more)] == ["0", "1", "more"]
    assert wrong.exception(120) is not None
    worker.stop()


@pytest.mark.parametrize("name", [n for n, method in METHODS.items() if not method.row_wise])
def test_a_method_that_mixes_a_batch_is_not_served(build_classifier, tmp_path, name):
    """An answer would depend on what else arrives with it."""
    loaded = load_classifier(build_classifier(tmp_path / "c", METHODS[name]()))
    with pytest.raises(ConfigError, match="depend on what else arrives"):
        create_app(loaded)
