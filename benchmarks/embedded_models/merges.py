"""The tiny CLIP's own byte-pair vocabulary, in the file format of open_clip's SimpleTokenizer.

OpenAI's 49,408 tokens would outweigh the rest of the model ten times. Merges are learned from captions drawn from a
seed; any other text still encodes, in smaller pieces.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from susx.errors import InputError

__all__ = ["MERGES", "VOCABULARY", "write_merges"]

#: Number of merges learned.
MERGES = 640

#: 256 bytes, the same 256 at the end of a word, the merges, start and end of text.
VOCABULARY = 2 * 256 + MERGES + 2


def write_merges(captions: Iterable[str], path: Path) -> None:
    """Learn ``MERGES`` merges from captions and write them, gzipped and reproducible to the byte.

    Raises:
        InputError: too few different captions to learn that many from.
    """
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    # The trainer's vocabulary counts single characters too: ask for more than enough and keep the first merges.
    trainer = trainers.BpeTrainer(
        vocab_size=MERGES + 400, end_of_word_suffix="</w>", show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator(captions, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"][:MERGES]
    if len(merges) < MERGES:
        raise InputError(
            f"merges: expected captions with at least {MERGES} merges in them, found {len(merges)}; give more captions."
        )
    lines = ["#version: susx"] + [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
        packed.write("\n".join(lines).encode("utf-8"))
