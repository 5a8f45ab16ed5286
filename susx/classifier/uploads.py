"""The images of a request: read within the limits, whatever the content type that a client happens to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException, Request
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect

from susx.classifier.service_limits import Budget, Busy, Limits

__all__ = ["DRAINED", "uploaded", "wait"]

DRAINED = 8
"""A body of up to this many times the size limit is read to its end before it is refused."""

_PIECE = 1 << 18


def wait(why: str) -> HTTPException:
    """Return the refusal that asks to come back."""
    return HTTPException(503, f"{why} Try again.", headers={"Retry-After": "1"})


@asynccontextmanager
async def uploaded(
    request: Request, limits: Limits, memory: Budget, *, several: bool = False
) -> AsyncIterator[list[tuple[str, bytes]]]:
    """Yield (name, bytes) of the images of a request; its bytes are taken from ``memory`` within the block.

    A form's files are its images, whatever their fields are called; any other body is one image (curl's ``--data-binary``
    calls it a urlencoded form).

    Raises:
        HTTPException: 400, 408, 413 or 503 with a sentence.
    """
    body = _Body(limits.batch_bytes if several else limits.image.max_bytes, memory)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        try:
            data = await asyncio.wait_for(body.read(request), limits.timeout)
        except asyncio.TimeoutError:
            raise HTTPException(408, f"The image did not arrive within {limits.timeout:g} seconds.") from None
        if kind == "multipart/form-data":
            yield await _files(request, data, limits, limits.max_images if several else 1)
        else:
            yield [("upload", data)]
    finally:
        memory.give_back(body.size)


class _Body:
    def __init__(self, most: int, memory: Budget) -> None:
        self.most, self.memory = most, memory
        self.size = 0
        """Bytes held so far."""

    async def read(self, request: Request) -> bytes:
        """Read a body. One that is refused is read on, and thrown away, up to ``DRAINED`` times the limit.

        Answering while a client still sends resets its connection, and it would never see the answer.
        """
        too_large = HTTPException(413, f"The image has more than {self.most} bytes.")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > DRAINED * self.most:
            raise too_large
        parts: list[bytes] = []
        seen, refusal = 0, None
        try:
            async for part in request.stream():
                seen += len(part)
                if seen > DRAINED * self.most:  # a body without, or with a false, length is cut off here
                    raise too_large
                if seen > self.most:
                    refusal = too_large
                if refusal is None:
                    try:
                        self.memory.take(len(part))
                        self.size += len(part)
                        parts.append(part)
                    except Busy:
                        refusal = wait("Too many images are being received.")
                if refusal is not None and parts:
                    parts.clear()
                    self.memory.give_back(self.size)
                    self.size = 0
        except ClientDisconnect:
            raise HTTPException(400, "The connection was closed before the image had arrived.") from None
        if refusal is not None:
            raise refusal
        return b"".join(parts)


async def _files(request: Request, body: bytes, limits: Limits, most: int) -> list[tuple[str, bytes]]:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), _PIECE):
            yield body[start : start + _PIECE]
            await asyncio.sleep(0)  # the parser is slow on some bodies, and others want to be answered
        yield b""

    parser = MultiPartParser(request.headers, stream(), max_files=most, max_fields=8)  # type: ignore[arg-type]
    try:
        form = await asyncio.wait_for(parser.parse(), limits.timeout)
    except Exception as error:  # the parser raises what it likes on hostile forms
        why = getattr(error, "message", None) or error or type(error).__name__
        raise HTTPException(400, f"The form cannot be read: {why}.") from error
    try:
        files = [field for _, field in form.multi_items() if not isinstance(field, str)]
        if not files:
            raise HTTPException(400, "The form has no file; send the image in the field 'image'.")
        return [(file.filename or "upload", await file.read()) for file in files]
    finally:
        await form.close()
