"""The pipeline, wired once: class names -> prompts -> images -> features -> support -> classifiers -> report.

``build`` is walked by whatever executor it is given: one that works, or one that only looks what is stale.
"""

from __future__ import annotations

from collections.abc import Mapping

from susx.config import ProfileConfig
from susx.experiment import needs_of
from susx.methods import Need, parameters
from susx.prompts import classifier_sentences, image_prompts
from susx.stages import assign
from susx.stages.build_plan import BuildPlan, BuildResult
from susx.stages.executors import Executor
from susx.stages.registry import STAGES
from susx.store import Job, Ref
from susx.types import Json

__all__ = ["build"]


def build(plan: BuildPlan, ex: Executor) -> BuildResult:
    """Walk the pipeline."""
    sentences = {
        name: {
            "images": [prompt.text for prompt in image_prompts(plan.profile.prompts, plan.dataset, name)],
            "classify": list(classifier_sentences(plan.profile.prompts, plan.dataset, name)),
        }
        for name in plan.classes
    }
    prompts = _one(plan, ex, plan.job("prompts", "", {"sentences": sentences}, {}))
    text = _encode_texts(plan, ex, sentences)
    images: dict[str, Ref] = {}
    rejected: dict[str, Ref] = {}
    if "retrieve" in plan.sources:
        found, rejected = _retrieve(plan, ex)
        images |= {f"retrieve/{name}": ref for name, ref in found.items()}
    if "generate" in plan.sources:
        images |= {f"generate/{name}": ref for name, ref in _generate(plan, ex, sentences, text).items()}
    features = _encode_images(plan, ex, images)
    splits = _targets(plan, ex)
    support = _curate(plan, ex, images, features, text, {**rejected, **_shown(plan, splits)})
    classifiers = _fit(plan, ex, text, support, splits)
    logits = _classify(plan, ex, classifiers, splits)
    package = _package(plan, ex, text, support, classifiers, logits)
    inputs = {"prompts": prompts, "text": text, "support": support, **splits}
    inputs |= {f"classifier/{name}": ref for name, ref in classifiers.items()}
    inputs |= {f"logits/{name}": ref for name, ref in logits.items()}
    params = {
        "classes": list(plan.classes), "sources": list(plan.sources), "measured": bool(plan.splits),
        "labelled": bool(plan.dataset.readers),
        "profile": _reported(plan.profile), "trials": [trial.name for trial in plan.trials],
        "headline": plan.headline.name,
    }  # fmt: skip
    execution = {
        "dataset": plan.dataset.model_dump(mode="json"), "data_root": str(plan.data_root or ""), 
        "run": {**plan.run, "stages": ex.account()},
    }  # fmt: skip
    report = _one(plan, ex, plan.job("report", "", params, inputs, **execution))
    return BuildResult(text, support, classifiers, logits, package, report, images)


def _one(plan: BuildPlan, ex: Executor, job: Job) -> Ref:
    return ex.run(STAGES[job.stage], [job])[0]


def _per_class(ex: Executor, jobs: list[Job]) -> dict[str, Ref]:
    refs = ex.run(STAGES[jobs[0].stage], jobs) if jobs else []
    return {job.subject: ref for job, ref in zip(jobs, refs, strict=True)}


def _encoder(plan: BuildPlan) -> dict[str, Json]:
    return {"encoder": plan.profile.encoder.model_dump(mode="json")}


def _encode_texts(plan: BuildPlan, ex: Executor, sentences: Mapping[str, Json]) -> Ref:
    jobs = [
        plan.job(
            "encode-texts",
            name,
            {"sentences": sentences[name]["classify"], "encoder": plan.encoder},
            {},
            **_encoder(plan),
        )
        for name in plan.classes
    ]
    return _one(plan, ex, plan.job("text-classifier", "", {}, _per_class(ex, jobs)))


def _retrieve(plan: BuildPlan, ex: Executor) -> tuple[dict[str, Ref], dict[str, Ref]]:
    from susx.stages.queries import query_params

    config, inputs = plan.profile.retrieval, {}
    if config.backend == "demo":
        size = {
            "size": config.pool_size,
            "seed": 0,
            "encoder": plan.encoder,
            "drawing": plan.backend["drawing"],
        }
        inputs = {"pool": _one(plan, ex, plan.job("pool", "", size, {}, **_encoder(plan)))}
    execution = {
        "retrieval": config.model_dump(mode="json"), "download": plan.profile.download.model_dump(mode="json"),
        "folder": config.folder or "", **_encoder(plan),
    }  # fmt: skip
    searches = [
        plan.job(
            "search", name,
            {"queries": query_params(plan.profile, plan.dataset, name), "backend": plan.backend, "encoder": plan.encoder},
            inputs, **execution,
        )
        for name in plan.classes
    ]  # fmt: skip
    found = _per_class(ex, searches)
    assigned = _one(plan, ex, plan.job("assign", "", {}, found))
    kept = {"image_size", "max_bytes", "max_pixels", "allow_private", "allow_hosts", "respect_opt_out"}
    params = {"limits": plan.profile.download.model_dump(mode="json", include=kept), "encoder": plan.encoder}
    if config.backend in {"service", "urls", "index"}:
        _one(plan, ex, plan.job("download", "", params, {"candidates": assigned}, **execution))
    fetches = []
    for name in plan.classes:
        part = ex.store.part(assigned, assign.part_name(name))
        fetches.append(plan.job("fetch", name, params, {"candidates": part, **inputs}, **execution))
    return _per_class(ex, fetches), {"lost": ex.store.part(assigned, assign.LOST)}


def _generate(plan: BuildPlan, ex: Executor, sentences: Mapping[str, Json], text: Ref) -> dict[str, Ref]:
    config = plan.profile.generation
    free = {"device", "batch_size", "channels_last", "compile", "model", "revision", "variant"}
    params = {
        "settings": config.model_dump(mode="json", exclude=free), "model": plan.generator,
        "per_class": plan.profile.per_class, "seed": plan.profile.seed,
    }  # fmt: skip
    # Only the rule of distinctness looks at other classes; without it a class is drawn by itself.
    inputs = {"text": text} if config.distinctness_margin is not None else {}
    jobs = [
        plan.job(
            "generate", name, {**params, "class": name, "sentences": sentences[name]["images"]}, inputs,
            generation=config.model_dump(mode="json"), **_encoder(plan),
        )
        for name in plan.classes
    ]  # fmt: skip
    return _per_class(ex, jobs)


def _encode_images(plan: BuildPlan, ex: Executor, images: Mapping[str, Ref]) -> dict[str, Ref]:
    params = {"encoder": plan.encoder, **_patches(plan)}
    jobs = [
        plan.job("encode-images", name, params, {"images": ref}, **_encoder(plan))
        for name, ref in images.items()
    ]
    return _per_class(ex, jobs)


def _patches(plan: BuildPlan) -> dict[str, Json]:
    return {"patches": True} if Need.PATCHES in needs_of(plan.trials) else {}


def _targets(plan: BuildPlan, ex: Executor) -> dict[str, Ref]:
    execution = {
        "dataset": plan.dataset.model_dump(mode="json"),
        "data_root": str(plan.data_root or ""),
        **_encoder(plan),
    }
    jobs = [
        plan.job(
            "target",
            split,
            {"split": split, "content": content, "encoder": plan.encoder, **_patches(plan)},
            {},
            **execution,
        )
        for split, content in plan.splits.items()
    ]
    return _per_class(ex, jobs)


def _shown(plan: BuildPlan, splits: Mapping[str, Ref]) -> dict[str, Ref]:
    """Return the target splits that curation compares with, to keep their near-duplicates out."""
    return dict(splits) if plan.profile.curation.contamination else {}


def _curate(
    plan: BuildPlan,
    ex: Executor,
    images: Mapping[str, Ref],
    features: Mapping[str, Ref],
    text: Ref,
    more: Mapping[str, Ref],
) -> Ref:
    config = plan.profile.curation
    params = {"curation": config.model_dump(mode="json"), "per_class": plan.profile.per_class}
    inputs = {"text": text, **more}
    inputs |= {f"images/{name}": ref for name, ref in images.items()}
    inputs |= {f"features/{name}": ref for name, ref in features.items()}
    return _one(plan, ex, plan.job("curate", "", params, inputs, **_encoder(plan)))


def _fit(plan: BuildPlan, ex: Executor, text: Ref, support: Ref, splits: Mapping[str, Ref]) -> dict[str, Ref]:
    jobs = []
    for trial in plan.trials:
        axes = {axis.name for axis in trial.method.axes} if trial.tuning == "val" else set()
        params = {
            "method": trial.method.name, "version": trial.method.version, "tuning": trial.tuning,
            "classes": list(plan.classes), "seed": plan.profile.seed,
            # A search over validation images replaces the values it searches.
            "hyper_parameters": {k: v for k, v in parameters(trial.method).items() if k not in axes},
        }  # fmt: skip
        inputs = {"text": text, "support": support} | (
            {"val": splits["val"]} if trial.tuning == "val" else {}
        )
        jobs.append(plan.job("fit", trial.name, params, inputs))
    return _per_class(ex, jobs)


def _classify(
    plan: BuildPlan, ex: Executor, classifiers: Mapping[str, Ref], splits: Mapping[str, Ref]
) -> dict[str, Ref]:
    if "test" not in splits:
        return {}
    params = {"classes": list(plan.classes)}
    jobs = [
        plan.job("classify", name, params, {"classifier": ref, **splits}) for name, ref in classifiers.items()
    ]
    return _per_class(ex, jobs)


def _package(
    plan: BuildPlan,
    ex: Executor,
    text: Ref,
    support: Ref,
    classifiers: Mapping[str, Ref],
    logits: Mapping[str, Ref],
) -> Ref:
    """Package the trial of the headline."""
    name = plan.headline.name
    inputs = {"text": text, "support": support, "fitted": classifiers[name]}
    inputs |= {"logits": logits[name]} if name in logits else {}
    params = {
        "classes": list(plan.classes), "encoder": plan.encoder, "dataset": plan.dataset.name,
        "prompts": plan.profile.prompts.classify, "tuning": plan.headline.tuning, "toy": plan.profile.toy,
    }  # fmt: skip
    return _one(plan, ex, plan.job("package", "", params, inputs, **_encoder(plan)))


def _reported(profile: ProfileConfig) -> Json:
    execution = {"device", "batch_size", "workers", "processes", "threads"}
    data = profile.model_dump(mode="json")
    return {
        key: {k: v for k, v in value.items() if k not in execution} if isinstance(value, dict) else value
        for key, value in data.items()
    }
