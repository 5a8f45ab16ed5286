"""Every stage by name, in the order of the pipeline."""

from __future__ import annotations

from susx.stages import (
    assign,
    classify,
    curate,
    download,
    encode_images,
    encode_texts,
    fetch,
    fit,
    generate,
    package,
    pool,
    prompts,
    report,
    search,
    target,
    text_classifier,
)
from susx.stages.stage import Stage

__all__ = ["STAGES"]

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("prompts", 1, prompts.run, "Write prompts"),
        Stage("pool", 1, pool.run, "Draw and index the embedded pool", device=True),
        Stage("encode-texts", 1, encode_texts.run, "Encode sentences", device=True),
        Stage("text-classifier", 1, text_classifier.run, "Average sentences"),
        Stage("search", 1, search.run, "Search images", network=True),
        Stage("assign", 1, assign.run, "Give every image to one class"),
        Stage("download", 1, download.run, "Download images", network=True),
        Stage("fetch", 1, fetch.run, "Fetch images", resumable=True, network=True),
        Stage("generate", 1, generate.run, "Draw images", resumable=True, device=True),
        Stage("encode-images", 1, encode_images.run, "Encode images", device=True),
        Stage("target", 1, target.run, "Encode the target's images", device=True),
        Stage("curate", 1, curate.run, "Curate the support set"),
        Stage("fit", 1, fit.run, "Fit classifiers"),
        Stage("classify", 1, classify.run, "Classify the target's images"),
        Stage("package", 1, package.run, "Package the classifier"),
        Stage("report", 3, report.run, "Write the report"),
    )
}
