"""How many outsiders pass, and how many pictures of the classes are kept, at the threshold that a pool without labels suggests.

    python benchmarks/none_of_these.py susx-store/artefacts/pool/*/*

Classes are drawn from the 47 embedded textures; test pictures of the others are outsiders that nothing of the estimate has seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import CATEGORIES, pictures
from susx.evaluation import estimate_rejection, names_a_class
from susx.features.encoder import load_encoder
from susx.images.retrieve.backends.index import IndexBackend

PER_CATEGORY, DRAWS = 12, 4


def main(folder: Path) -> None:
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    features, captions = IndexBackend(folder, encoder).captioned_sample()
    pool = torch.nn.functional.normalize(torch.from_numpy(features), dim=1)
    drawn = pictures("test", len(CATEGORIES) * PER_CATEGORY)
    query = encoder.encode_images([Image.fromarray(picture) for picture in drawn])
    labels = np.arange(len(drawn)) % len(CATEGORIES)
    text = encoder.encode_texts([f"a photo of a {name} texture." for name in CATEGORIES])
    rng = np.random.default_rng(0)
    print(
        f"{len(drawn)} test pictures, {len(pool)} of the pool; shares in per cent, lowest to highest of {DRAWS} draws"
    )
    print(f"{'classes':>7} {'asked':>6} {'outsiders that pass':>20} {'pictures kept':>14}")
    for count in (2, 5, 10, 20, 40):
        found: dict[float, list[tuple[float, float]]] = {0.05: [], 0.2: []}
        for _ in range(DRAWS):
            chosen = rng.choice(len(CATEGORIES), count, replace=False)
            own = torch.from_numpy(np.isin(labels, chosen))
            named = names_a_class(captions, [CATEGORIES[place] for place in chosen])
            rejection = estimate_rejection((pool @ text[chosen].T).amax(dim=1), named)
            score = (query @ text[chosen].T).amax(dim=1)
            for share, results in found.items() if rejection else ():
                passed = (score >= rejection.threshold(share)).double()
                results.append((float(passed[~own].mean()), float(passed[own].mean())))
        for share, results in found.items():
            outside, kept = np.array(results).T * 100 if results else (np.array([np.nan]),) * 2
            print(
                f"{count:>7} {100 * share:>6.0f} {outside.min():>12.0f} to {outside.max():3.0f} {kept.min():>7.0f} to {kept.max():3.0f}"
                f"   ({len(results)} of {DRAWS} draws)"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
