"""``python -m susx.images.retrieve.fetch_worker JOB.json``: img2dataset in a process of its own.

img2dataset spawns further processes. Spawned processes import the main module of their parent again, which is this
one, so the guard below is in place in each of them before anything is fetched.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from susx.images.retrieve.network_guard import install_from_environment
from susx.images.retrieve.worker_process import die_with_parent

OPT_OUT = ["noai", "noimageai", "noindex", "noimageindex"]
"""img2dataset's own choice of X-Robots-Tag directives that are respected."""

die_with_parent()
install_from_environment()
# img2dataset's resizer otherwise asks the package registry for news at import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
# img2dataset imports these, directly or not, and a download uses none: they would double its start in every process.
sys.modules.setdefault("wandb", types.ModuleType("wandb"))
for _unused in ("ray", "torch"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]


def main(job: Path) -> None:
    """Run the download that a job file describes (arguments of ``img2dataset.download``)."""
    arguments = json.loads(job.read_text(encoding="utf-8"))
    if arguments["processes_count"] == 1:
        _download_here(arguments)
    else:
        import img2dataset

        img2dataset.download(**arguments)


def _download_here(arguments: dict[str, Any]) -> None:
    """Do what ``img2dataset.download`` does with one process, without spawning one and another for its log."""
    from img2dataset.downloader import Downloader
    from img2dataset.reader import Reader
    from img2dataset.resizer import Resizer
    from img2dataset.writer import FilesSampleWriter

    out = Path(arguments["output_folder"])
    (out / "_tmp").mkdir(parents=True)
    size = arguments["number_sample_per_shard"]
    reader = Reader(
        arguments["url_list"],
        arguments["input_format"],
        "url",
        None,
        None,
        None,
        None,
        size,
        set(),
        str(out / "_tmp"),
    )
    disallowed = arguments["disallowed_header_directives"]
    fetch = Downloader(
        sample_writer_class=FilesSampleWriter,
        resizer=Resizer(
            image_size=256, resize_mode="border", resize_only_if_bigger=False,
            disable_all_reencoding=arguments["disable_all_reencoding"],
        ),
        thread_count=arguments["thread_count"], save_caption=False, extract_exif=arguments["extract_exif"],
        output_folder=str(out), column_list=reader.column_list, timeout=arguments["timeout"],
        number_sample_per_shard=size, oom_shard_count=5, compute_hash=arguments["compute_hash"], verify_hash_type=None,
        encode_format="jpg", retries=arguments["retries"], user_agent_token=arguments["user_agent_token"],
        disallowed_header_directives=OPT_OUT if disallowed is None else disallowed or None,
    )  # fmt: skip
    for shard in reader:
        done, _ = fetch(shard)
        if not done:
            raise SystemExit(f"img2dataset could not finish the links of shard {shard[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
