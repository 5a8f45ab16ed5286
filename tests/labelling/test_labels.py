"""Labels in Python: review, audit and exports are those of the commands, and read what people said."""

import json
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from susx import Labels, label
from susx.errors import InputError
from susx.labelling.audit_files import audit_answers, latest_audit
from susx.testing.photos import take_photos
from susx.testing.world import CLASSES


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    """Twelve labelled photographs in a folder."""
    root = tmp_path_factory.mktemp("labels")
    take_photos(root / "photos", CLASSES, 3)
    return label(root / "photos", CLASSES, out=root / "result", store=root / "store", no_pool=True)


def ask(address: str, body: object = None) -> dict[str, object]:
    request = urllib.request.Request(address, headers={"Content-Type": "application/json"})
    request.data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=60) as answer:
        read: dict[str, object] = json.loads(answer.read())
    return read


def test_a_review_serves_the_page_and_what_was_said_counts_in_every_export(
    saved: Labels, tmp_path: Path
) -> None:
    """The server ends with its block; table, CSV and the formats have the answer; a port that is taken is said."""
    first = str(saved.frame["path"][0])
    other = next(name for name in CLASSES if name != saved.frame["label"][0])
    with saved.review(who="ann", show=False) as page:
        ask(f"{page.address}api/answers", {"answers": [{"id": 0, "label": other}]})
    with pytest.raises(OSError):
        ask(f"{page.address}api/summary")
    row = saved.answered().frame.set_index("path").loc[first]
    assert (row["label"], row["by_person"]) == (other, True)
    assert Labels.read(saved.result.folder or "").frame["label"][0] == other
    saved.to_csv(tmp_path / "labels.csv")
    saved.to_parquet(tmp_path / "labels.parquet")
    for read in (pd.read_csv(tmp_path / "labels.csv"), pd.read_parquet(tmp_path / "labels.parquet")):
        assert read.set_index("path").loc[first, "label"] == other
    assert saved.to_coco(tmp_path / "coco") == saved.to_fiftyone(tmp_path / "fiftyone") == len(saved.frame)
    assert saved.to_datasets(tmp_path / "datasets") == saved.to_webdataset(tmp_path / "tars") == 12
    assert saved.to_label_studio(tmp_path / "tasks", least=0.999999) >= 1
    images = json.loads((tmp_path / "coco" / "annotations.json").read_text())["annotations"]
    assert len(images) == 12


def test_an_audit_is_drawn_answered_and_says_what_it_promises(saved: Labels) -> None:
    """The same question goes on with the same audit; answers of the page are read; another question is refused."""
    drawn = saved.audit(8)
    assert drawn.is_new
    assert drawn.sentences == []
    assert drawn.questions is not None
    log, audit = audit_answers(saved.result.folder or Path()), latest_audit(saved.result.folder or Path())
    assert audit is not None
    filled = pd.read_csv(drawn.questions)
    filled["label"] = filled["labelled_as"]
    filled.to_csv(drawn.questions, index=False)
    done = saved.audit(answers=drawn.questions)
    assert not done.is_new
    assert done.taken == 8 == len(log.read())
    assert done.promise.answered == 8
    assert done.promise.wrong == 0
    assert done.questions is None
    assert any("are right, with 95 % confidence" in words for words in done.sentences)
    assert len(done.released()) == len(audit.labels)
    with pytest.raises(InputError, match="Another question"):
        saved.audit(error=0.05)


def test_labels_that_lie_nowhere_have_no_place_for_answers(saved: Labels) -> None:
    """Said before a server begins or anything is drawn."""
    unsaved = Labels(saved.result.__class__(saved.result.record, saved.frame))
    with pytest.raises(InputError, match="lie in no folder"):
        unsaved.review(show=False)
    with pytest.raises(InputError, match="lie in no folder"):
        unsaved.audit()
