"""A classifier over HTTP: ``/predict``, ``/healthz``, ``/metrics`` and an OpenAPI page at ``/docs``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from PIL import Image
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import susx
from susx.classifier.batching import Busy, InferenceWorker
from susx.classifier.classifier import Classifier, Prediction
from susx.classifier.predict import as_record
from susx.classifier.schema import BODY, REFUSALS, Answer, Health
from susx.image_files import BadImage, ImageLimits, open_image

__all__ = ["Limits", "create_app"]


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Attributes:
        max_bytes: of the request's body.
        max_pixels: of the decoded image.
        timeout: seconds for the body to arrive, and again for the answer.
        max_batch: images classified at once.
        max_waiting: images in the queue; more are answered with 503.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    timeout: float = 30.0
    max_batch: int = 32
    max_waiting: int = 512


class _Metrics:
    def __init__(self, worker: InferenceWorker) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "susx_requests", "Requests by status code", ["status"], registry=self.registry
        )
        self.seconds = Histogram(
            "susx_predict_seconds", "Seconds per answered request", registry=self.registry
        )
        waiting = Gauge("susx_waiting_images", "Images waiting to be classified", registry=self.registry)
        waiting.set_function(lambda: worker.waiting)


class _CountStatus:
    """Counts the answers of /predict by status, without the task per request that FastAPI's decorator costs."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(str(message["status"])).inc()
            await send(message)

        watched = scope["type"] == "http" and scope["path"] == "/predict"
        await self._app(scope, receive, counted if watched else send)


def create_app(classifier: Classifier, limits: Limits | None = None) -> FastAPI:
    """Return the service; the encoder is loaded when it starts."""
    limits = limits or Limits()
    batches: list[Histogram] = []
    worker = InferenceWorker(
        classifier,
        max_batch=limits.max_batch,
        max_waiting=limits.max_waiting,
        on_batch=lambda size: batches[0].observe(size),
    )
    metrics = _Metrics(worker)
    buckets = [1, 2, 4, 8, 16, 32, 64]
    batches.append(
        Histogram("susx_batch_images", "Images per batch", buckets=buckets, registry=metrics.registry)
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(worker.start)
        yield
        await run_in_threadpool(worker.stop)

    app = FastAPI(title="susx classifier", version=susx.__version__, lifespan=lifespan)

    app.add_middleware(_CountStatus, requests=metrics.requests)

    @app.post("/predict", response_model=Answer, openapi_extra=BODY, responses=REFUSALS)
    async def predict(
        request: Request,
        top_k: Annotated[int, Query(ge=1, le=1000)] = 5,
        explain: Annotated[int, Query(ge=0, le=100)] = 3,
    ) -> dict[str, Any]:
        """Classify one image, sent as the body or as the field `image` of a form."""
        started = time.perf_counter()
        name, data = await _image_bytes(request, limits)
        picture = await run_in_threadpool(_decode, data, ImageLimits(limits.max_bytes, limits.max_pixels))
        prediction = await _ask(worker, picture, name, top_k, explain, limits.timeout)
        metrics.seconds.observe(time.perf_counter() - started)
        return _answer(prediction)

    @app.get("/healthz", response_model=Health)
    async def healthz() -> dict[str, Any]:
        """Say whether images are answered, and by what."""
        if not worker.alive:
            raise HTTPException(503, "The inference thread has ended; restart the service.")
        facts = classifier.facts
        return {
            "status": "ok",
            "version": susx.__version__,
            "method": classifier.stored.method.name,
            "encoder": f"{facts.encoder.model} {facts.encoder_digest[:12]}",
            "classes": len(facts.class_names),
        }

    @app.get("/metrics", include_in_schema=False)
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


DRAINED = 8
"""A body of up to this many times the size limit is read to its end before it is refused."""


async def _image_bytes(request: Request, limits: Limits) -> tuple[str, bytes]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/octet-stream", "") and not kind.startswith("image/"):
        raise HTTPException(
            415, f"Send image/*, application/octet-stream or multipart/form-data, not '{kind}'."
        )
    try:
        body = await asyncio.wait_for(_read(request, limits.max_bytes), limits.timeout)
    except asyncio.TimeoutError:
        raise HTTPException(408, f"The image did not arrive within {limits.timeout:g} seconds.") from None
    if kind != "multipart/form-data":
        return "upload", body
    return await _form_image(request, body)


async def _read(request: Request, max_bytes: int) -> bytes:
    """Read a body. One that is too large is read on, and thrown away, up to ``DRAINED`` times the limit.

    Answering while a client still sends resets its connection, and it would never see the answer.
    """
    refusal = HTTPException(413, f"The image has more than {max_bytes} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > DRAINED * max_bytes:
        raise refusal
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > DRAINED * max_bytes:  # a body without, or with a false, length is cut off here
                raise refusal
            if size <= max_bytes:
                parts.append(part)
    except ClientDisconnect:
        raise HTTPException(400, "The connection was closed before the image had arrived.") from None
    if size > max_bytes:
        raise refusal
    return b"".join(parts)


async def _form_image(request: Request, body: bytes) -> tuple[str, bytes]:
    async def stream() -> AsyncIterator[bytes]:
        yield body
        yield b""

    try:
        form = await MultiPartParser(request.headers, stream(), max_files=1, max_fields=8).parse()  # type: ignore[arg-type]
    except (MultiPartException, StarletteHTTPException, KeyError, ValueError) as error:
        raise HTTPException(
            400, f"The form cannot be read: {getattr(error, 'message', None) or error}."
        ) from error
    field = form.get("image")
    if field is None or isinstance(field, str):
        raise HTTPException(400, "The form has no file in the field 'image'.")
    data = await field.read()
    await form.close()
    return field.filename or "upload", data


def _decode(data: bytes, limits: ImageLimits) -> Image.Image:
    try:
        return open_image(data, limits)
    except BadImage as bad:
        raise HTTPException(413 if bad.reason.startswith("too-") else 400, _sentence(bad)) from bad


def _sentence(bad: BadImage) -> str:
    return f"{str(bad)[0].upper()}{str(bad)[1:]}"


async def _ask(
    worker: InferenceWorker, picture: Image.Image, name: str, top_k: int, explain: int, timeout: float
) -> Prediction:
    try:
        future = worker.submit(picture, name, top_k, explain)
    except Busy:
        raise HTTPException(503, "Too many images wait; try again.", headers={"Retry-After": "1"}) from None
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
    except asyncio.TimeoutError:
        raise HTTPException(
            503, f"No answer within {timeout:g} seconds.", headers={"Retry-After": "1"}
        ) from None


def _answer(prediction: Prediction) -> dict[str, Any]:
    record = as_record(prediction)
    for entry in (record, *record["top"], *record["nearest"]):
        entry["class_name"] = entry.pop("class")
    return record
