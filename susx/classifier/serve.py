"""A classifier over HTTP: ``/predict``, ``/predict/batch``, ``/healthz``, ``/metrics``, a page to classify on at ``/``, one for programs at ``/docs``."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, TypeAlias, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import susx
from susx.classifier.batching import InferenceWorker
from susx.classifier.interface_page import page
from susx.classifier.predict import as_record
from susx.classifier.predictions import About, Answering, Prediction
from susx.classifier.schema import BODY, FORM, REFUSALS, Answer, Answers, Health
from susx.classifier.service_limits import Budget, Busy, Limits
from susx.classifier.static_page import PAGE_FILES, page_file
from susx.classifier.uploads import uploaded, wait
from susx.decoding import Decoders
from susx.errors import ConfigError
from susx.image_files import BadImage

__all__ = ["create_app"]

_T = TypeVar("_T")
TopK: TypeAlias = Annotated[int, Query(ge=1, le=1000, description="Classes per image.")]
Explain: TypeAlias = Annotated[int, Query(ge=0, le=100, description="Nearest support images.")]


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
    """Counts the answers of /predict and /predict/batch by status, without the task per request that FastAPI's decorator costs."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(str(message["status"])).inc()
            await send(message)

        watched = scope["type"] == "http" and scope["path"].startswith("/predict")
        await self._app(scope, receive, counted if watched else send)


def create_app(classifier: Answering, limits: Limits | None = None) -> FastAPI:
    """Return the service; the encoder is loaded when it starts. ``connections.create_server`` runs it within its limits.

    Raises:
        ConfigError: the method mixes the rows of a batch, so that an answer would depend on who else asks.
    """
    about = classifier.about
    if not about.row_wise:
        raise ConfigError(
            f"The method '{about.method}' classifies the images of a batch together, so that an answer would depend on what else "
            "arrives with it. Serve a classifier of a method that sees one image at a time, as whitened_prototypes does."
        )
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
    memory, decoded = Budget(limits.max_bytes_in_flight), Budget(limits.decoded_bytes)
    processes = min(8, os.cpu_count() or 1)
    pictures = Decoders(processes, limits.decode_timeout)
    waiting = ThreadPoolExecutor(processes, thread_name_prefix="decode")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(worker.start)
        await run_in_threadpool(pictures.start)
        yield
        waiting.shutdown(cancel_futures=True)
        pictures.stop()
        await run_in_threadpool(worker.stop)

    app = FastAPI(
        title="susx classifier",
        version=susx.__version__,
        description=about.sentence,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )

    app.add_middleware(_CountStatus, requests=metrics.requests)

    def prepare(data: bytes) -> Any:
        """Decode an image and scale it to the encoder's input: what waits afterwards is small."""

        @contextmanager
        def held(amount: int) -> Iterator[None]:
            if amount > limits.decoded_bytes:
                raise BadImage(
                    "too-large",
                    f"the image takes {amount:,} bytes to decode; at most {limits.decoded_bytes:,} are given to one.",
                )
            with decoded.held(amount):
                yield

        return pictures.decode(data, limits.image, held, classifier.prepare)

    async def answer(name: str, data: bytes, top_k: int, explain: int) -> dict[str, Any]:
        """Classify one image.

        Raises:
            BadImage: it cannot be decoded.
            HTTPException: 503, too much waits.
        """
        decoding = asyncio.get_running_loop().run_in_executor(waiting, prepare, data)
        picture = await _within(limits.timeout, decoding)
        try:
            return _answer(
                await _within(
                    limits.timeout, asyncio.wrap_future(worker.submit(picture, name, top_k, explain))
                ),
                about,
            )
        except Busy:
            raise wait("Too many images wait.") from None

    async def entry(name: str, data: bytes, top_k: int, explain: int) -> dict[str, Any]:
        try:
            return await answer(name, data, top_k, explain)
        except BadImage as bad:
            return {
                "image": name.encode(errors="backslashreplace").decode(),
                "error": _sentence(bad),
            }

    @app.post("/predict", response_model=Answer, openapi_extra=BODY, responses=REFUSALS)
    async def predict(request: Request, top_k: TopK = 5, explain: Explain = 3) -> dict[str, Any]:
        """Classify one image, sent as the body or as a file of a form."""
        started = time.perf_counter()
        async with uploaded(request, limits, memory) as ((name, data),):
            try:
                answered = await answer(name, data, top_k, explain)
            except BadImage as bad:
                raise HTTPException(413 if bad.reason.startswith("too-") else 400, _sentence(bad)) from bad
        metrics.seconds.observe(time.perf_counter() - started)
        return answered

    @app.post("/predict/batch", response_model=Answers, openapi_extra=FORM, responses=REFUSALS)
    async def predict_batch(request: Request, top_k: TopK = 5, explain: Explain = 3) -> dict[str, Any]:
        """Classify several images, the files of one form. An image that cannot be read has an error in its place."""
        answers: list[dict[str, Any]] = []
        async with uploaded(request, limits, memory, several=True) as images:
            for start in range(0, len(images), limits.max_batch):
                some = images[start : start + limits.max_batch]
                answers += await asyncio.gather(*(entry(name, data, top_k, explain) for name, data in some))
        return {"images": answers}

    @app.get("/healthz", response_model=Health)
    async def healthz() -> dict[str, Any]:
        """Say whether images are answered, and by what."""
        if not worker.alive:
            raise HTTPException(503, "The inference thread has ended; restart the service.")
        return {
            "status": "ok",
            "version": susx.__version__,
            "packaged": about.sentence,
            "method": about.method,
            "is_zero_shot": about.is_zero_shot,
            "hyper_parameters": about.hyper_parameters,
            "tuning": about.tuning,
            "calibrated_on": about.calibrated_on,
            "calibration_images": about.calibration_images,
            "toy": about.toy,
            "encoder": about.encoder,
            "classes": len(about.class_names),
            "notes": about.notes,
        }

    @app.get("/metrics", include_in_schema=False)
    async def show_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def show_page(request: Request) -> HTMLResponse:
        return HTMLResponse(page(app.openapi(), about.notes, str(request.base_url).rstrip("/")))

    def show(name: str) -> Callable[[], Awaitable[Response]]:
        content, kind = page_file(name), PAGE_FILES[name]

        async def answer_with_it() -> Response:
            return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

        return answer_with_it

    for name in PAGE_FILES:
        app.get("/" if name == "index.html" else f"/{name}", include_in_schema=False)(show(name))

    return app


async def _within(seconds: float, awaited: Awaitable[_T]) -> _T:
    try:
        return await asyncio.wait_for(awaited, seconds)
    except asyncio.TimeoutError:
        raise wait(f"No answer within {seconds:g} seconds.") from None


def _sentence(bad: BadImage) -> str:
    return f"{str(bad)[0].upper()}{str(bad)[1:]}"


def _answer(prediction: Prediction, about: About) -> dict[str, Any]:
    record = as_record(prediction, about)
    for entry in (record, *record["top"], *record["nearest"]):
        for name, value in entry.items():
            if isinstance(value, str):
                entry[name] = value.encode(errors="backslashreplace").decode()  # lone surrogates are no JSON
    return record
