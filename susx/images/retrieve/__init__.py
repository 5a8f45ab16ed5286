"""Retrieval: sentences to queries, queries to candidates, candidates to image files.

The steps, each a plain function over values:

* ``queries_for(class_name, prompts, hints, budget, over_fetch=, max_sentences=, seed=) -> list[Query]``.
* ``open_backend(retrieval_config, encoder, download=, pool=, work=) -> Backend``; the ``identity`` of its settings goes into
  the stage key; ``pool`` is the folder of the embedded pool's index (backend ``demo``); ``work`` a folder that outlives
  the run (backend ``urls`` with rank ``embedding`` downloads the list there).
* ``search(backend, queries) -> list[list[Candidate]]``, one list per query, excluded captions dropped; one call per
  class is enough, all its sentences go in one batch. ``write_candidates`` / ``read_candidates`` are the codec.
* ``unique_candidates(candidates) -> list[Candidate]``: of one class, best first, each image once.
* ``fetch_images(candidates, artefact, work, config, model=) -> list[SupportRow]``: one row per candidate, in order, with
  ``file`` relative to ``artefact`` (``images/<digest>.jpg``), size, hash and digest, or the reason of its rejection.
  Images are decoded safely, upright, at most ``config.image_size`` on the shorter side. URLs go through ``download``.
* ``download(urls, work, config) -> dict[url, Download]``: resumable; what ``work`` already holds is not fetched again.
  Calling it once with the URLs of all classes and then ``fetch_images`` per class starts one downloader, not many.

Curation is :func:`susx.images.support.curate`; it takes the rows and their features.
"""

from susx.images.retrieve.backends import BACKENDS, Backend, TextEncoder, open_backend, search
from susx.images.retrieve.candidates import Candidate, read_candidates, unique_candidates, write_candidates
from susx.images.retrieve.download import check_any_fetched, check_any_there, download, download_folder
from susx.images.retrieve.fetch_images import fetch_images
from susx.images.retrieve.ledger import Download
from susx.images.retrieve.queries import Query, queries_for
from susx.images.retrieve.reasons import TRANSIENT

__all__ = [
    "BACKENDS",
    "TRANSIENT",
    "Backend",
    "Candidate",
    "Download",
    "Query",
    "TextEncoder",
    "check_any_fetched",
    "check_any_there",
    "download",
    "download_folder",
    "fetch_images",
    "open_backend",
    "queries_for",
    "read_candidates",
    "search",
    "unique_candidates",
    "write_candidates",
]
