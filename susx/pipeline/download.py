"""Stage ``download``: the links of all classes in one go; per class, ``fetch`` then finds them on this machine.

One downloader for all classes is much faster than one a class. What it fetched lies outside the artefact, in the store's
``downloads`` folder, where no later run fetches it again; the artefact is the account of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from susx.images.retrieve.backends import Delivers
from susx.pipeline import search
from susx.pipeline.build_plan import BuildPlan
from susx.pipeline.inputs import Artefacts, Done
from susx.pipeline.retrieval import Retrieving, download_params, downloads, retrieving
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, Job
from susx.types import Json

__all__ = ["STAGE", "jobs", "run"]


def jobs(plan: BuildPlan, done: Done) -> list[Job]:
    """One job where the backend delivers links."""
    searches = done.all(search.STAGE)
    if not searches or Delivers.LINKS not in plan.retrieval.delivers:
        return []
    return [STAGE.job(plan, searches.values(), params=download_params(plan), execution=retrieving(plan))]


def run(job: Job, store: ArtefactStore, out: Path) -> Mapping[str, Json]:
    """Write ``account.json``: reason -> number of links (``fetched`` for those that gave an image).

    Raises:
        DownloadError: suspiciously many links failed; what was fetched is kept.
        RetrievalError: no candidate gave an image: its link failed, its file is gone, or it has neither.
    """
    from susx.images.retrieve import check_any_fetched, check_any_there, download, read_candidates

    links: dict[str, None] = {}
    here = 0
    gone: list[str] = []
    nowhere = 0
    for ref in Artefacts.of(job).all(search.STAGE).values():
        for candidate in read_candidates(store.path(ref, search.FILE)):
            if candidate.refused:
                continue
            local = candidate.path and Path(candidate.path).is_file()
            if candidate.url and candidate.image is None and not local:
                links[candidate.url] = None
            elif candidate.path and not local and candidate.image is None:
                gone.append(candidate.path)
            elif local or candidate.image is not None:
                here += 1
            else:
                nowhere += 1
    fates = download(links, downloads(store), Retrieving.of(job).download) if links else {}
    if not here:
        check_any_fetched(fates, "the candidates")
        if not fates:
            check_any_there(gone, nowhere)
    account = Counter(fate.reason or "fetched" for fate in fates.values())
    (out / "account.json").write_text(json.dumps(account, sort_keys=True), encoding="utf-8")
    return {"links": len(links), **account}


STAGE = Stage("download", 1, run, "Download images", jobs, network=True)
