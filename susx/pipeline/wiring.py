"""The pipeline on one screen: which stages there are, in their order; what each has a job for; what it reads.

What a stage does is a function of its noun; its own file here says with which parameters, and where its result lies. A job that reads what is
not written down here is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.pipeline import (
    cell,
    class_model,
    classify,
    curate,
    download,
    encode_data_set,
    encode_folder,
    encode_images,
    encode_texts,
    examples,
    fetch,
    fit,
    generate,
    label,
    labelled,
    package,
    pool,
    pool_statistics,
    prompts,
    propose,
    report,
    search,
    target,
    text_classifier,
    words,
)
from susx.pipeline.stage import Stage
from susx.store import Job

__all__ = ["EXPERIMENT_STAGES", "LABEL_STAGES", "STAGES", "WIRING", "Wire", "check_inputs"]


@dataclass(frozen=True)
class Wire:
    """A stage, what it has one job for each of, and the stages whose artefacts it may read."""

    stage: Stage
    per: str
    reads: tuple[Stage, ...] = ()


_IMAGES = (examples.STAGE, labelled.STAGE, generate.STAGE, fetch.STAGE)

# fmt: off
_BOTH = (
    Wire(pool.STAGE,             "once a user"),
    Wire(examples.STAGE,         "class that has some"),
    Wire(words.STAGE,            "data set",          (pool.STAGE, examples.STAGE)),
    Wire(prompts.STAGE,          "data set",          (words.STAGE,)),
    Wire(encode_texts.STAGE,     "class",             (words.STAGE,)),
    Wire(text_classifier.STAGE,  "data set",          (encode_texts.STAGE,)),
)
_BUILD = (
    Wire(search.STAGE,           "class",             (pool.STAGE, words.STAGE, examples.STAGE)),
    Wire(download.STAGE,         "data set",          (search.STAGE,)),
    Wire(fetch.STAGE,            "class",             (search.STAGE, pool.STAGE)),
    Wire(generate.STAGE,         "class",             (text_classifier.STAGE,)),
    Wire(labelled.STAGE,         "class"),
    Wire(encode_images.STAGE,    "class and source",  _IMAGES),
    Wire(pool_statistics.STAGE,  "data set",          (text_classifier.STAGE, pool.STAGE, encode_images.STAGE)),
    Wire(target.STAGE,           "split"),
    Wire(curate.STAGE,           "data set",          (text_classifier.STAGE, *_IMAGES, encode_images.STAGE, target.STAGE)),
    Wire(fit.STAGE,              "method and protocol",  (text_classifier.STAGE, curate.STAGE, target.STAGE, pool_statistics.STAGE)),
    Wire(classify.STAGE,         "method and protocol",  (fit.STAGE, target.STAGE)),
    Wire(package.STAGE,          "data set",          (text_classifier.STAGE, curate.STAGE, fit.STAGE, classify.STAGE, pool_statistics.STAGE)),
    Wire(report.STAGE,           "data set",          (words.STAGE, prompts.STAGE, text_classifier.STAGE, curate.STAGE, pool_statistics.STAGE,
                                                       target.STAGE, fit.STAGE, classify.STAGE, *_IMAGES)),
)
_LABEL = (
    Wire(encode_folder.STAGE,    "a share of the folder"),
    Wire(class_model.STAGE,      "folder's class list", (text_classifier.STAGE, pool_statistics.STAGE, pool.STAGE, encode_folder.STAGE)),
    Wire(label.STAGE,            "folder",             (class_model.STAGE, encode_folder.STAGE)),
    Wire(propose.STAGE,          "folder",             (label.STAGE, pool.STAGE)),
)
_EXPERIMENT = (
    Wire(encode_data_set.STAGE,  "data set of images"),
    Wire(cell.STAGE,             "cell of the grid"),
)
# fmt: on

WIRING: dict[str, Wire] = {wire.stage.name: wire for wire in (*_BOTH, *_BUILD, *_LABEL, *_EXPERIMENT)}

STAGES: dict[str, Stage] = {wire.stage.name: wire.stage for wire in (*_BOTH, *_BUILD)}
"""Every stage of a build by name, in the order in which it comes to them."""

LABEL_STAGES: dict[str, Stage] = {
    wire.stage.name: wire.stage for wire in (*_BOTH, WIRING[pool_statistics.STAGE.name], *_LABEL)
}
"""Those of a labelling; it shares the first with a build."""

EXPERIMENT_STAGES: dict[str, Stage] = {wire.stage.name: wire.stage for wire in _EXPERIMENT}
"""Those of an experiment."""


def check_inputs(jobs: Sequence[Job]) -> None:
    """Refuse jobs that read what their stage is not said to read.

    Raises:
        ValueError: names the stage and the input.
    """
    for job in jobs:
        reads = {stage.name for stage in WIRING[job.stage].reads}
        if strange := {ref.stage for ref in job.inputs.values()} - reads:
            raise ValueError(
                f"'{job.stage}' reads {', '.join(sorted(strange))}, which susx/pipeline/wiring.py does not say."
            )
