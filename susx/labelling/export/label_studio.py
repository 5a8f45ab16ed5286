"""Label Studio's tasks: each label a prediction with its score, or an annotation where a person said it.

The photographs stay where they are: Label Studio serves them itself (``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`` is the labelled folder).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from susx.errors import InputError, StoreError
from susx.printable import for_json
from susx.store.disk import whole_folder

if TYPE_CHECKING:
    import pandas as pd

    from susx.labelling.label_result import LabelResult

__all__ = ["export"]

_README = """# Labels for Label Studio

    export LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
    export LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={folder}
    label-studio start

Make a project, paste `config.xml` under Labeling Interface / Code, add a local storage of the folder, and import `tasks.json`.
"""


def export(result: LabelResult, frame: pd.DataFrame, out: Path) -> int:
    """Write ``tasks.json``, ``config.xml`` and ``README.md`` to a new folder, and return the number of tasks.

    Raises:
        InputError: ``out`` is not empty.
        StoreError: it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty; give a new folder to export to.")
    tasks = [_task(row, number) for number, row in enumerate(frame.to_dict(orient="records"), 1)]
    try:
        with whole_folder(out) as partial:
            (partial / "tasks.json").write_text(
                for_json(json.dumps(tasks, ensure_ascii=False, indent=1)), encoding="utf-8"
            )
            (partial / "config.xml").write_text(_config(result.classes), encoding="utf-8")
            readme = _README.format(folder=result.record.folder)
            (partial / "README.md").write_bytes(readme.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written: {error}. Make room or give another folder; nothing is left of it."
        ) from error
    return len(tasks)


def _task(row: dict[Any, Any], number: int) -> dict[str, Any]:
    label = row["label"]
    result = [
        {
            "from_name": "label",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [label or "(none of these)"]},
        }
    ]
    path = quote(row["path"].encode("utf-8", "surrogateescape"))
    task: dict[str, Any] = {
        "id": number,
        "data": {
            "image": f"/data/local-files/?d={path}", "digest": row["digest"], "group": row["group"],
            "none_of_these": round(row["none_of_these"], 6),
        },
    }  # fmt: skip
    if row["by_person"]:
        return task | {"annotations": [{"result": result}]}
    return task | {
        "predictions": [{"model_version": "susx", "score": round(row["probability"], 6), "result": result}]
    }


def _config(classes: tuple[str, ...]) -> str:
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in (*classes, "(none of these)"))
    return (
        '<View>\n  <Image name="image" value="$image"/>\n  <Choices name="label" toName="image" choice="single">\n'
        f"{choices}\n  </Choices>\n</View>\n"
    )
