"""clip-retrieval's ``ClipClient`` with a timeout, and with answers checked before they are parsed."""

from __future__ import annotations

import functools
import importlib.util
import time
from pathlib import Path
from typing import Any

import requests
import urllib3

from susx.errors import ConfigError
from susx.images.retrieve.backends.outages import ServiceFault, check_answer, fault_of
from susx.images.retrieve.extra import require

__all__ = ["LARGEST_ANSWER", "read_answer", "timed_client"]


LARGEST_ANSWER = 128 << 20
"""Bytes of one answer, decompressed: some hundreds of results with their images."""


def read_answer(response: requests.Response, end: float, limit: int = LARGEST_ANSWER) -> bytes:
    """Read an answer as it comes in; ``timeout`` of requests is per read, which a server that drips never exceeds.

    Raises:
        ServiceFault: it is larger than ``limit`` bytes.
        requests.Timeout: it is not complete at ``end`` (of the monotonic clock), or a read took too long.
        requests.ConnectionError: the connection broke.
    """
    parts, size = [], 0
    try:
        while part := response.raw.read1(1 << 16, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise ServiceFault(
                    f"{response.url} sent more than {limit >> 20} MiB in one answer, which no list of results needs. Check that it "
                    "is a clip-retrieval service, or ask for fewer images a query (per_class, retrieval.over_fetch)."
                )
            if time.monotonic() > end:
                raise requests.ReadTimeout("the answer came too slowly")
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(str(error)) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(str(error)) from error
    return b"".join(parts)


@functools.cache
def timed_client() -> Any:
    """Load clip-retrieval's client module alone: its package also loads servers and models, for ten seconds."""
    require("clip_retrieval")
    package = importlib.util.find_spec("clip_retrieval")
    if package is None or not package.submodule_search_locations:
        raise ConfigError("The package clip_retrieval is no folder of modules. Install clip-retrieval again.")
    path = Path(package.submodule_search_locations[0]) / "clip_client.py"
    spec = importlib.util.spec_from_file_location("susx_clip_client", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"clip-retrieval has no client at {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class TimedClient(module.ClipClient):  # type: ignore[misc, name-defined]
        """The client with our way of sending."""

        timeout = 30.0

        def __search_knn_api__(
            self, text: str | None = None, image: str | None = None, image_url: str | None = None,
            embedding_input: list[float] | None = None,
        ) -> list[dict[str, Any]]:  # fmt: skip
            query = {
                "text": text, "image": image, "image_url": image_url, "embedding_input": embedding_input,
                "deduplicate": self.deduplicate, "use_safety_model": self.use_safety_model,
                "use_violence_detector": self.use_violence_detector, "indice_name": self.indice_name or None,
                "use_mclip": self.use_mclip, "aesthetic_score": self.aesthetic_score,
                "aesthetic_weight": self.aesthetic_weight, "modality": self.modality, "num_images": self.num_images,
                "num_result_ids": self.num_images,
            }  # fmt: skip
            try:
                end = time.monotonic() + self.timeout
                with requests.post(self.url, json=query, timeout=self.timeout, stream=True) as response:
                    body = read_answer(response, end)
            except requests.RequestException as error:
                raise fault_of(error, self.url, self.timeout) from error
            return check_answer(response.status_code, response.headers, body, self.url)

    return TimedClient
