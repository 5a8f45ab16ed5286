#!/usr/bin/env bash
# lancedb 0.40.0 (pylance 14.0.2, pyarrow 26.0.1).
# Behaviour: on_bad_vectors="fill" stores zeros for a row whose vector is missing. A cosine search without an index never
#   returns that row, however high the limit, and a query of zeros gets an empty answer; nothing is raised or logged. By
#   l2 the same row is returned, and it comes first.
# A good guess: the row comes back with a distance of NaN or 1 and is sorted last, and a query of zeros gives every row.
# Why it matters here: texts and images of CLIP lie at cosines of 0.2 to 0.3, so that unit rows are further from a text than
#   zeros are. By l2 the images that could not be encoded are the support of every class. By cosine a pool is smaller than
#   its count of rows, and a search for all of it comes back short.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env" && "$folder/env/bin/pip" install -q lancedb==0.40.0 pylance==14.0.2 pyarrow==26.0.1
"$folder/env/bin/python" - "$folder/db" <<'PYTHON'
import math
import sys
import lancedb

def at(angle):  # unit row at a cosine of cos(angle) to the query
    return [math.cos(angle), math.sin(angle), 0.0, 0.0]

rows = [{"image": f"{i}.jpg", "vector": at(1.3 + i / 50)} for i in range(6)] + [{"image": "broken.jpg", "vector": None}]
table = lancedb.connect(sys.argv[1]).create_table("pool", rows, on_bad_vectors="fill", fill_value=0.0)
query = [1.0, 0.0, 0.0, 0.0]
names = {}
for metric in ("cosine", "l2"):
    names[metric] = [row["image"] for row in table.search(query).metric(metric).limit(100).to_list()]
    print(f"{metric}: {len(names[metric])} of {table.count_rows()} rows, first {names[metric][0]}")
empty = table.search([0.0] * 4).metric("cosine").limit(100).to_list()
print(f"cosine, query of zeros: {len(empty)} rows")
as_told = len(names["cosine"]) == 6 and "broken.jpg" not in names["cosine"] and names["l2"][0] == "broken.jpg" and not empty
sys.exit(0 if as_told else 1)
PYTHON
