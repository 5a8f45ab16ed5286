"""The flow `sweep` on a real server: one build that works, one that fails, one table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.conftest import SETTINGS, table

pytestmark = pytest.mark.timeout(900)


def test_a_build_that_fails_does_not_end_the_others(
    small: Path, in_process: dict[str, str], tmp_path: Path
) -> None:
    """Both are tried, what was measured is published, and the failure is raised last, with its words."""
    from susx.errors import SusxError
    from susx.flows.sweep import sweep_flow

    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nphoto_prompt: '{}'\nclasses: []\n")
    store = tmp_path / "store"
    with pytest.raises(SusxError, match=r"1 of the sweep's builds failed.*broken") as failed:
        sweep_flow(
            datasets=[str(broken), str(small)],
            per_class=2,
            store=str(store),
            settings=[*SETTINGS, "tuning=[fixed]"],
        )
    assert "classes" in str(failed.value)
    rows = table(in_process, "susx-sweep")
    assert {row["data set"] for row in rows} == {str(small)}
    assert {"zero_shot", "whitened_prototypes"} <= {row["method"] for row in rows}
    assert all(0 <= row["top1"] <= 1 for row in rows)
    assert list(store.glob("runs/*"))
