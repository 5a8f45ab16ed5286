"""``python -m susx.images.fetch.fetch_worker ANSWERS``: img2dataset in a process of its own, one job after another.

Paths of job files (arguments of ``img2dataset.download``) come in lines on the standard input; each that is done is a line written to
the open file number ANSWERS (:class:`susx.images.fetch.worker_process.JobWorker`).

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

from susx.images.fetch.network_guard import install_from_environment
from susx.images.fetch.worker_process import die_with_parent

OPT_OUT = ["noai", "noimageai", "noindex", "noimageindex"]
"""img2dataset's own choice of X-Robots-Tag directives that are respected."""

die_with_parent()
install_from_environment()
# img2dataset imports these, directly or not, and a download uses none: bytes are kept as they come, so that nothing is resized, and the
# list of links is parquet. They would take nine tenths of its start in every process.
for _unused in ("wandb", "albumentations"):
    sys.modules.setdefault(_unused, types.ModuleType(_unused))
for _unused in ("ray", "torch"):
    sys.modules.setdefault(_unused, None)  # type: ignore[arg-type]


class _NoPandas:
    """Says that there is none: pyarrow asks, and does without; it takes None in ``sys.modules`` for a module."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas; see ``importlib.abc.MetaPathFinder``."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, _NoPandas)
import pyarrow.csv  # noqa: E402
import pyarrow.json  # noqa: E402
import pyarrow.parquet  # noqa: E402, F401

sys.modules["pandas"] = types.ModuleType("pandas")  # for the import of img2dataset's reader

from img2dataset.downloader import Downloader  # noqa: E402
from img2dataset.main import download  # noqa: E402
from img2dataset.reader import Reader  # noqa: E402
from img2dataset.resizer import Resizer  # noqa: E402
from img2dataset.writer import FilesSampleWriter  # noqa: E402

del sys.modules["pandas"]


class _EachSample(FilesSampleWriter):  # type: ignore[misc]
    """Writes the sidecar of a link that failed too, at once: a hopeless list is known by its first links."""

    def write(self, img_str: bytes | None, key: str, caption: str | None, meta: dict[str, Any]) -> None:
        """Write a sample; see img2dataset."""
        super().write(img_str, key, caption, meta)
        if img_str is None:
            Path(self.subfolder, f"{key}.json").write_text(json.dumps(meta), encoding="utf-8")


def main(job: Path) -> None:
    """Run the download that a job file describes (arguments of ``img2dataset.download``)."""
    arguments = json.loads(job.read_text(encoding="utf-8"))
    if arguments["processes_count"] == 1:
        _download_here(arguments)
    else:
        download(**arguments)


def _download_here(arguments: dict[str, Any]) -> None:
    """Do what ``img2dataset.download`` does with one process, without spawning one and another for its log."""
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
        sample_writer_class=_EachSample,
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


def serve(answers: int) -> None:
    """Do the jobs that are named on the standard input, until it ends."""
    for line in sys.stdin:
        main(Path(line.rstrip("\n")))
        os.write(answers, b"done\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
