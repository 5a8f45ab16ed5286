"""Whole builds, from names to report, each from a source of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from susx.testing.collections import pictures
from susx.testing.world import CLASSES, World, new_world


def support(world: World) -> pd.DataFrame:
    return pd.read_parquet(world.store.path(world.result.support, "support.parquet"))


def kept_of(world: World) -> dict[str, int]:
    table = support(world)
    return table[table["rejected"] == ""].groupby("class_name").size().to_dict()


def test_a_parquet_data_set(tmp_path: Path) -> None:
    """Images with captions, licences and authors; one class is called by its alias; a rerun computes nothing."""
    shown = pictures(CLASSES, 6)
    rows = [
        {
            "image": {"bytes": one.image, "path": f"{at}.jpg"}, "caption": one.caption.replace("woven", "plaited"),
            "license": one.licence, "creator": one.author, "page": one.page,
        }
        for at, one in enumerate(shown)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet", row_group_size=5)
    world = new_world(tmp_path)
    world.write(aliases={"woven": ["plaited"]})
    world.change(
        "retrieval.backend=parquet", f"retrieval.data={tmp_path / 'set.parquet'}", "curation.min_side=1"
    )
    world.build()
    assert kept_of(world) == dict.fromkeys(CLASSES, 2)
    table = support(world)
    by_page = {one.page: one for one in shown}
    for row in table[table["rejected"] == ""].itertuples():
        source = by_page[str(row.page)]
        assert (row.class_name, row.author, row.licence) == (source.class_name, source.author, source.licence)
    assert not world.computed()
    world.change("retrieval.licence=cc0")
    world.build()
    table = support(world)
    assert set(table[table["rejected"] == ""]["licence"]) == {"CC0 1.0"}
