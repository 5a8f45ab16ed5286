"""Curation: every rule is counted, nothing depends on order, contamination is caught."""

import dataclasses
import random

import pytest
import torch

from susx.config import CurationConfig
from susx.errors import InputError
from susx.images.support import SAFE_TEXTS, UNSAFE_TEXTS, SafetyTexts, count_reasons, curate
from susx.methods.functional.support_choice import choose_support
from susx.records import SupportRow

DIM = 16
CONFIG = CurationConfig()
SCALE = 100.0


def unit(*values):
    vector = torch.zeros(DIM)
    vector[: len(values)] = torch.tensor(values)
    return vector / vector.norm()


def row(name, number, **changes):
    base = SupportRow(
        name, f"images/{number}.jpg", f"{number:064x}", "retrieved", f"a {name}", similarity=0.5 - number / 1000,
        width=64, height=64, phash=f"{random.Random(number).getrandbits(64):016x}",
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def features(count, seed=0):
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


TEXTS = {"cat": unit(1.0), "dog": unit(0.0, 1.0)}


def run(rows, vectors, hashes=(), target=None, per_class=99, **config):
    return curate(rows, vectors, TEXTS, SCALE, hashes, target, CONFIG.model_copy(update=config), per_class)


def reasons(rows):
    return [item.rejected for item in rows]


def test_too_small_undecodable_and_unsafe_are_named():
    """Facts of a single image reject it with the rule's name."""
    rows = [
        row("cat", 0), row("cat", 1, width=8), row("cat", 2, width=0, height=0), row("cat", 3, nsfw="NSFW"),
        row("cat", 4, nsfw="0.9"), row("cat", 5, nsfw="UNLIKELY"), row("cat", 6, rejected="dead-link"),
    ]  # fmt: skip
    assert reasons(run(rows, features(7))) == [
        "",
        "too-small",
        "undecodable",
        "unsafe",
        "unsafe",
        "",
        "dead-link",
    ]


def test_near_duplicates_need_hash_and_embedding_by_default():
    """Equal hashes alone or equal embeddings alone do not make a duplicate; both do."""
    vectors = features(4)
    vectors[0] = vectors[3] = unit(1.0)
    same = row("cat", 0).phash
    rows = [row("cat", 0), row("cat", 1, phash=same), row("cat", 2), row("cat", 3, phash=same)]
    assert reasons(run(rows, vectors)) == ["", "", "", "duplicate"]
    assert reasons(run(rows, vectors, duplicate_rule="hash")) == ["", "duplicate", "", "duplicate"]
    rows[3] = row("cat", 3)
    assert reasons(run(rows, vectors)) == ["", "", "", ""]
    assert reasons(run(rows, vectors, duplicate_rule="embedding")) == ["", "", "", "duplicate"]
    assert reasons(run(rows, vectors, duplicate_rule="either")) == ["", "duplicate", "", "duplicate"]


@pytest.mark.parametrize(("flips", "rejected"), [(4, "duplicate"), (5, "")])
def test_the_hash_distance_is_inclusive(flips, rejected):
    """Four differing bits are a near-duplicate, five are not."""
    vectors = features(1).repeat(2, 1)
    near = f"{int(row('cat', 0).phash, 16) ^ ((1 << flips) - 1):016x}"
    assert reasons(run([row("cat", 0), row("cat", 1, phash=near)], vectors)) == ["", rejected]


def test_an_image_may_support_several_classes():
    """An image that two classes found supports both; shared rows gained over an assignment to one class."""
    vectors = features(1).repeat(2, 1)
    rows = [row("dog", 0), row("cat", 0)]
    assert reasons(run(rows, vectors)) == ["", ""]


def test_curation_keeps_what_choose_support_keeps():
    """No second rule: the kept rows are those of the one function, with the reasons of single images handed to it."""
    generator = random.Random(9)
    vectors = features(80, seed=4)
    rows = [row(generator.choice(["cat", "dog"]), n, width=8 if n % 9 == 0 else 64) for n in range(80)]
    refused = ["too-small" if item.width == 8 else "" for item in rows]
    labels = torch.tensor([["cat", "dog"].index(item.class_name) for item in rows])
    choice = choose_support(
        torch.stack([TEXTS["cat"], TEXTS["dog"]]), SCALE, vectors, labels, 7, refused=refused
    )
    assert reasons(run(rows, vectors, per_class=7)) == list(choice.reasons)


def test_images_without_hash_are_judged_by_embedding():
    """Rows of a feature pool carry no hash and are still de-duplicated."""
    vectors = features(1).repeat(2, 1)
    rows = [row("cat", n, phash="", file="", width=0, height=0) for n in range(2)]
    assert reasons(run(rows, vectors)) == ["", "duplicate"]


def test_contamination_rejects_near_duplicates_of_target_images():
    """An image near a target val or test image is rejected, by default, and kept when the rule is off."""
    vectors = features(2)
    rows = [row("cat", 0), row("cat", 1)]
    hashes = ["0" * 16, rows[1].phash]
    target = torch.stack([unit(0, 0, 1.0), vectors[1]])
    assert reasons(run(rows, vectors, hashes, target)) == ["", "contaminated"]
    assert reasons(run(rows, vectors, hashes, None)) == ["", "contaminated"]
    assert reasons(run(rows, vectors, hashes, target, contamination=False)) == ["", ""]


def test_low_agreement_is_optional():
    """Images far from their class's text are rejected only when a least cosine is set."""
    vectors = torch.stack([unit(1.0), unit(0.0, 1.0)])
    rows = [row("cat", 0), row("cat", 1)]
    assert reasons(run(rows, vectors)) == ["", ""]
    assert reasons(run(rows, vectors, min_similarity=0.1)) == ["", "disagrees"]


def test_clip_safety_uses_the_given_sentences():
    """The zero-shot safety rule rejects what is nearest to the unsafe sentences."""
    texts = SafetyTexts(
        unit(0, 0, 1.0).repeat(len(SAFE_TEXTS), 1), unit(0, 0, 0, 1.0).repeat(len(UNSAFE_TEXTS), 1), 100
    )
    vectors = torch.stack([unit(0, 0, 1.0), unit(0, 0, 0, 1.0)])
    rows = [row("cat", 0), row("cat", 1)]
    config = CONFIG.model_copy(update={"clip_safety": True})
    assert reasons(curate(rows, vectors, TEXTS, SCALE, (), None, config, 9, safety=texts)) == ["", "unsafe"]
    with pytest.raises(InputError, match="clip_safety"):
        curate(rows, vectors, TEXTS, SCALE, (), None, config, 9)


@pytest.mark.parametrize("drawn", [0, 1, 4])
def test_surplus_goes_round_the_sources(drawn):
    """Drawn and retrieved images share a class's budget, whatever their scores; what one lacks the other makes up for."""
    rows = [row("cat", n, similarity=0.9 - n / 100) for n in range(4)]
    rows += [row("cat", 4 + n, origin="generated", similarity=None) for n in range(drawn)]
    kept = [item.origin for item in run(rows, features(4 + drawn), per_class=4) if item.kept]
    assert kept.count("generated") == min(drawn, 2)
    assert len(kept) == 4


def test_truncating_balance_follows_the_poorest_class():
    """Every class keeps as many images as the poorest; a class without images empties all."""
    rows = [row("cat", n) for n in range(5)] + [row("dog", 10 + n) for n in range(2)]
    counts = count_reasons(run(rows, features(7), per_class=4, balance="truncate"), ("cat", "dog"))
    assert counts["cat"] == {"kept": 2, "unbalanced": 2, "surplus": 1}
    assert counts["dog"] == {"kept": 2}


def test_order_of_rows_and_classes_does_not_matter():
    """Shuffled rows get the same reasons, row by row."""
    generator = random.Random(5)
    vectors = features(300, seed=3)
    rows = [row(generator.choice(["cat", "dog"]), n, prompt=f"p{n % 3}") for n in range(300)]
    for n in range(0, 300, 7):
        twin = generator.randrange(300)
        vectors[n] = vectors[twin]
        rows[n] = dataclasses.replace(rows[n], phash=rows[twin].phash)
    verdicts = {item.digest: item.rejected for item in run(rows, vectors, per_class=40)}
    order = generator.sample(range(300), 300)
    shuffled = run([rows[n] for n in order], vectors[order], per_class=40)
    assert {item.digest: item.rejected for item in shuffled} == verdicts
    assert [item.digest for item in shuffled] == [rows[n].digest for n in order]
    assert "duplicate" in verdicts.values()
    assert "surplus" in verdicts.values()


def test_no_two_kept_images_are_near():
    """After curation no kept pair is a near-duplicate, across block borders too."""
    vectors = features(60).repeat(40, 1)
    rows = [row("cat", n, phash=row("cat", n % 60).phash) for n in range(2400)]
    kept = [item for item in run(rows, vectors, per_class=5000) if item.kept]
    assert len(kept) == 60


def test_unpaired_features_are_refused():
    """Rows and features of different numbers are an error, not a shift."""
    with pytest.raises(InputError, match="pair up"):
        run([row("cat", 0)], features(2))


def test_an_empty_table_is_legal():
    """No candidates, no rows."""
    assert run([], torch.zeros(0, DIM)) == []
