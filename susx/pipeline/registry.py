"""Every stage by name, in the order in which a build comes to them."""

from __future__ import annotations

from susx.pipeline import (
    classify,
    curate,
    download,
    encode_images,
    encode_texts,
    examples,
    fetch,
    fit,
    generate,
    labelled,
    package,
    pool,
    pool_statistics,
    prompts,
    report,
    search,
    target,
    text_classifier,
    words,
)
from susx.pipeline.stage import Stage

__all__ = ["STAGES"]

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        pool.STAGE,
        examples.STAGE,
        words.STAGE,
        prompts.STAGE,
        encode_texts.STAGE,
        text_classifier.STAGE,
        search.STAGE,
        download.STAGE,
        fetch.STAGE,
        generate.STAGE,
        labelled.STAGE,
        encode_images.STAGE,
        pool_statistics.STAGE,
        target.STAGE,
        curate.STAGE,
        fit.STAGE,
        classify.STAGE,
        package.STAGE,
        report.STAGE,
    )
}
