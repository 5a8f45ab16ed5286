"""The graph is a loop over the stages; what a stage does and needs, its own file says."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import pytest
from PIL import Image

import susx.pipeline
from susx.errors import ConfigError
from susx.pipeline import fetch, fit, target, text_classifier
from susx.pipeline.executors import PlanExecutor
from susx.pipeline.graph import build
from susx.pipeline.inputs import Artefacts
from susx.pipeline.plan import plan_build
from susx.pipeline.wiring import STAGES, WIRING, check_inputs
from susx.store import Job, Ref
from susx.testing.world import CLASSES, new_world

FOLDER = Path(susx.pipeline.__file__).parent

ELSEWHERE = {
    "words": {"examples"},  # of classes without a name
    "generate": {"text-classifier"},  # where images must be distinct
    "pool-statistics": {"encode-images"},  # where the pool cannot be read whole
    "encode-images": {"labelled"}, "curate": {"labelled"}, "report": {"labelled"},  # --from-labels is a build of its own
}  # fmt: skip
"""What a build of the embedded world does not read."""


def walked(world, **options):
    """Return the jobs of a build that is only looked at."""
    world.change(**options)
    executor = PlanExecutor(world.store)
    build(plan_build(world.options), executor)
    return [entry.job for entry in executor.planned]


def test_inputs_come_from_earlier_stages(tmp_path):
    """Every input of every job was made by a stage that stands earlier in the registry."""
    order = list(STAGES)
    world = new_world(tmp_path)
    (tmp_path / "examples" / "grid").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(tmp_path / "examples" / "grid" / "own.png")
    world.write(examples="examples", aliases={"woven": ["weave"]})
    jobs = walked(world, mode="generate,retrieve")
    assert {job.stage for job in jobs} == set(order) - {"download", "labelled"}
    for job in jobs:
        assert all(order.index(ref.stage) < order.index(job.stage) for ref in job.inputs.values()), job.stage


def test_the_screen_says_what_is_read(tmp_path):
    """What jobs read, over all kinds of builds, is what the wiring says: no less, and what it does not say is refused."""
    world = new_world(tmp_path)
    world.write(examples="examples", aliases={"woven": ["weave"]})
    for number in range(2):
        (tmp_path / "examples" / "woven").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (number, 9, 9)).save(tmp_path / "examples" / "woven" / f"{number}.png")
    jobs = walked(world, mode="generate,retrieve")
    reads: dict[str, set[str]] = {}
    for job in jobs:
        reads.setdefault(job.stage, set()).update(ref.stage for ref in job.inputs.values())
    for name, read in reads.items():
        declared = {stage.name for stage in WIRING[name].reads}
        assert declared - read <= ELSEWHERE.get(name, set()), name
    strange = Job("prompts", 1, "d", "", {}, {"target/val": Ref("target", "val", "k", "d")})
    with pytest.raises(
        ValueError, match=r"'prompts' reads target, which susx/pipeline/wiring\.py does not say"
    ):
        check_inputs([strange])


def test_the_architecture_page_shows_the_screen():
    """The table of the page has a row for every stage, with what it has a job for."""
    page = (FOLDER.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert {name: wire.per for name, wire in WIRING.items()} == {
        name: per for name, per in rows.items() if name in WIRING
    }


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        ({"mode": "retrieve"}, {"generate", "download"}),
        ({"mode": "generate"}, {"pool", "search", "download", "fetch", "pool-statistics"}),
        ({"mode": "retrieve", "evaluate": False}, {"generate", "download", "target", "classify"}),
    ],
)
def test_stages_that_do_not_apply_have_no_jobs(tmp_path, options, absent):
    """Without a source or a split to measure on, the stages for it are left out, and only they."""
    missing = set(STAGES) - {job.stage for job in walked(new_world(tmp_path), **options)}
    assert missing == absent | {"examples", "words", "labelled"}


def test_a_reference_pool_changes_the_fits_that_read_pools_alone(tmp_path):
    """Nothing that is drawn or encoded is asked for anew; one that cannot be read whole is refused by name."""
    world = new_world(tmp_path)
    plain = {(j.stage, j.subject): j.key for j in walked(world, mode="generate")}
    world.change("reference_pool=true")
    with_pool = {(j.stage, j.subject): j.key for j in walked(world)}
    added = {stage for stage, _ in with_pool.keys() - plain.keys()}
    changed = {stage for name, key in plain.items() for stage in [name[0]] if with_pool[name] != key}
    assert added == {"pool", "pool-statistics"}
    assert changed <= {"fit", "classify", "package", "report"}
    assert plain["fit", "tip_x/fixed"] == with_pool["fit", "tip_x/fixed"]
    assert plain["fit", "whitened_prototypes/fixed"] != with_pool["fit", "whitened_prototypes/fixed"]
    world.change("methods={tip_x: {}}", "headline=tip_x/fixed")
    assert not {job.stage for job in walked(world)} & added
    world.change("methods={}", "headline=", "retrieval.backend=urls", "retrieval.urls=links.csv")
    with pytest.raises(ConfigError, match="reference_pool needs a pool"):
        walked(world)


def test_validation_images_are_seen_by_those_tuned_on_them_alone(tmp_path):
    """Only a fit under ``val`` has the validation split among its inputs, and none has the test split."""
    for job in walked(new_world(tmp_path)):
        if job.stage == fit.STAGE.name:
            seen = set(Artefacts.of(job).all(target.STAGE))
            assert seen == ({"val"} if job.subject.endswith("/val") else set())


def test_inputs_are_found_by_stage_and_subject():
    """The inputs of a job are a mapping from stage and subject; one where several are is refused."""
    refs = [Ref("fetch", name, "k", "d") for name in CLASSES]
    inputs = Artefacts.of(Job("x", 1, "d", "", {}, {ref.name: ref for ref in refs}))
    assert inputs.all(fetch.STAGE) == dict(zip(CLASSES, refs, strict=True))
    assert inputs.find(text_classifier.STAGE) is None
    with pytest.raises(LookupError, match="there is none"):
        inputs.one(text_classifier.STAGE)
    with pytest.raises(LookupError, match="there are 4"):
        inputs.one(fetch.STAGE)


def test_two_inputs_of_one_name_are_refused(tmp_path):
    """An input is never lost to another of the same stage and subject."""
    plan = plan_build(new_world(tmp_path).options)
    twice = [Ref("target", "val", "a", "a"), Ref("target", "val", "b", "b")]
    with pytest.raises(ValueError, match="same stage and subject"):
        fit.STAGE.job(plan, twice)


def test_no_import_circles_and_no_keys_of_strings():
    """Stage files import each other one way, also within functions; none reads a parameter by a string.

    ``outside`` alone does: it looks at jobs of every stage, and can import the parameters of none.
    """
    imports: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "job.params[" not in text or path.stem == "outside", path
        assert "job.execution[" not in text or path.stem == "outside", path
        assert "removeprefix" not in text, path
        imports[path.stem] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "susx.pipeline":
                imports[path.stem] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("susx.pipeline."):
                imports[path.stem].add((node.module or "").rsplit(".", 1)[1])
    # For types alone: a stage says which artefacts it made, and artefacts are found by stage.
    imports["inputs"].discard("stage")
    assert [*graphlib.TopologicalSorter(imports).static_order()]
