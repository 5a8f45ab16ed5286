"""The review over HTTP: the page, its pictures, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from susx.errors import InputError, StoreError
from susx.labelling.review.order import View
from susx.labelling.review.page_guard import Guard
from susx.labelling.review.session import Named, ReviewSession
from susx.labelling.review.tile_pictures import Gone, Pictures
from susx.types import Json

__all__ = ["create_app"]

_PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": "review.html",
    "/review.css": "review.css",
    "/review.js": "review.js",
    "/tiles.js": "tiles.js",
    "/picker.js": "picker.js",
}
_MOST_TILES = 500


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: int
    label: str


class _Answers(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answers: list[_Answer] = Field(min_length=1, max_length=20_000)
    who: str = Field("", max_length=100)
    audit: bool = False


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid")
    who: str = Field("", max_length=100)
    audit: bool = False


def create_app(session: ReviewSession, pictures: Pictures, who: str) -> FastAPI:
    """Return the server of one review.

    Args:
        session: the labels and what is said of them.
        pictures: of its images.
        who: the name answers are given under, until the page says another.
    """
    app = FastAPI(title="susx label review", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard)

    for address, name in _FILES.items():
        app.add_api_route(address, _file(name), include_in_schema=False)

    @app.exception_handler(InputError)
    async def refused(request: Request, error: InputError) -> Response:
        return JSONResponse({"error": str(error)}, 404 if isinstance(error, Gone) else 400)

    @app.exception_handler(StoreError)
    async def not_written(request: Request, error: StoreError) -> Response:
        return JSONResponse({"error": str(error)}, 507)

    @app.get("/api/summary")
    def summary() -> Json:
        return {
            **session.summary(),
            "who": who,
            "folder": session.folder.name,
            "toy": session.result.record.toy,
        }

    @app.get("/api/view")
    def view(view: View = "doubt", name: str = "", order: str = "doubt") -> Json:
        return {"ids": session.view(view, name, order)}

    @app.get("/api/tiles")
    def tiles(ids: Annotated[str, Query(pattern=r"^\d{1,9}(,\d{1,9})*$")], audit: bool = False) -> Json:
        rows = [int(part) for part in ids.split(",")]
        if len(rows) > _MOST_TILES:
            raise InputError(f"At most {_MOST_TILES} tiles are described at once, found {len(rows)}.")
        return {"tiles": session.describe(rows, audit=audit)}

    @app.get("/api/changes")
    def changes(since: str) -> Json:
        if session.version == since:
            return {"version": since}
        version = session.version
        tiles, asked, refitted = session.changed_since(since)
        return {
            "version": version, "refitted": refitted, "tiles": session.describe(tiles), "asked": session.describe(asked, audit=True),
            "summary": session.summary(),
        }  # fmt: skip

    @app.post("/api/answers")
    def answers(body: _Answers) -> Json:
        rows = session.answer(
            [Named(one.id, one.label) for one in body.answers], body.who or who, audit=body.audit
        )
        return {"tiles": session.describe(rows, audit=body.audit), "summary": session.summary()}

    @app.post("/api/refit")
    def refit(body: _Nothing) -> Json:
        session.refitter.begin()
        return {"summary": session.summary()}

    @app.post("/api/undo")
    def undo(body: _Undo) -> Json:
        rows = session.undo(body.who or who, audit=body.audit)
        return {"tiles": session.describe(rows, audit=body.audit), "summary": session.summary()}

    @app.get("/small/{row}")
    def small(row: int) -> Response:
        path, digest = session.file_of(row)
        return _picture(pictures.small(path, digest))

    @app.get("/large/{row}")
    def large(row: int) -> Response:
        path, digest = session.file_of(row)
        return _picture(pictures.large(path, digest))

    return app


def _file(name: str) -> Callable[[], FileResponse]:
    def send() -> FileResponse:
        return FileResponse(_PAGE / name, headers={"Cache-Control": "no-cache"})

    return send


def _picture(data: bytes) -> Response:
    # The page asks with the digest in the address: what is there under it never changes.
    return Response(
        data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )
