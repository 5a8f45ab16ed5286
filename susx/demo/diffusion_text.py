"""Prompts and tokenizer of the embedded diffusion model.

The text encoder has to find the category word in sentences that nobody foresaw (CuPL's, a person's own), so the
training prompts are short templates, longer descriptions, and the word among random other words of the vocabulary.
"""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from transformers import CLIPTokenizer

from susx.demo.diffusion_parts import CONTEXT
from susx.demo.textures import CATEGORIES

__all__ = ["FILLER", "TEMPLATES", "build_tokenizer", "training_prompt"]

TEMPLATES = (
    "{} texture.",
    "{}",
    "{}.",
    "A photo of a {}.",
    "a photo of a {} texture.",
    "A photo of a {} thing.",
    "a photo of a {} surface.",
    "a {} pattern.",
    "a close-up photo of a {} texture.",
    "a {} object.",
    "itap of a {} texture.",
    "a bad photo of the {}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a origami {}.",
    "a macro picture of {} material.",
    "an image of something {}.",
    "A {} texture is made of many small parts.",
    "A {} surface looks rough to the touch.",
    "The {} pattern repeats across the whole picture.",
    "A {} texture usually has lines, spots or shapes in two colors.",
    "A picture of a {} fabric seen from above.",
    "What does a {} texture look like? It looks {}.",
    "Something {} has a look that you know at once.",
    "You can see a {} wall in this image.",
    "This is what {} looks like up close.",
    "A {} texture can be found on cloth, stone, wood, metal or skin.",
    "The surface of this material is {}.",
)

_WORDS = """
a across air all along alternates alternating an and angular another appearance appears are around
arranged as at away background bands bars be because beds belt between bits black blue blurred board bold
branch branches bright broad broken brown by can carpet cells centre characterized chocolate circles clear
close cloth color colors colour coloured colours columns concrete consists contrast cotton cover covered
crack cracks craters creases creates cross crossing curtain curve curved curves cut dark deep delicate
dents describe description diagonal different dimples direction directions dots drawn dress dried dry dust
each earth edge edges equal even evenly every example fabric face features feel few fibers fibres field
filled fine flat floor flower flowers flowing foam fold folds food for form forms from full gives glass
gold golden gray green grey ground hair hand hard has have highlights hole holes hollows horizontal image
in into irregular is it items its knit knobs known lace large layer layers leaf leather leaves left lets
light like line lines liquid lit little long look looks loops loose lots lumps lying made many marks
material may mesh metal middle mineral mixed more most mud narrow near neat net object of often on one
open openings or orange other outlines oval over overlapping paint pale panel paper parallel part parts
patches pattern patterned pebbles photo picture piece pieces pink plain plastic plate plates pleats
pointed points pores pressed purple raised random red regular repeated repeating resembles result ribbons
ridges right ring rings river road rock rope rough round rounded row rows ruffles run running same sand
scales scarf scattered sea seat see seen series several shade shadow shadowed shadows shape shaped shapes
sharp sheet shell shiny short shows side sides silk silver size sizes skin sky slightly small smooth snake
soft some something spaced specks spider spiral splashes sponge spots square squares stain stains stars
steel stitches stone straight strands streaks stripes strips strokes stud studs such sugar surface sweater
swirl swirls tablecloth tangled teardrop tears texture textured than that the there they thick thin thing
this thread threadlike threads through tile tiles tiny to together touch transparent tree turn twist
twisted two typically under uneven up used usually veins vertical very visible wall water waves wavy weave
web wet what when where which white whose wide window wing wire wires with without woman wood wool worn
would wrapped wrinkle wrinkles yarn yellow you zigzag
"""

#: Common words of descriptions: what a category word hides among.
FILLER = tuple(_WORDS.split())


def training_prompt(category: str, rng: np.random.Generator) -> str:
    """One of many ways to ask for a category: a template, a framed template, or the word among random words."""
    kind = rng.random()
    if kind < 0.5:
        return TEMPLATES[int(rng.integers(len(TEMPLATES)))].format(category, category)
    before = _words(rng, int(rng.integers(0, 8)))
    after = _words(rng, int(rng.integers(0, 16)))
    if kind < 0.65:  # another category is named later: the first one is what the picture shows
        after[int(rng.integers(len(after) + 1)) :] = [str(rng.choice(CATEGORIES)), *_words(rng, 3)]
    mark = "." if rng.random() < 0.7 else ""
    return " ".join((*before, category, *after)) + mark


def build_tokenizer(folder: Path, sentences: Sequence[str] = ()) -> CLIPTokenizer:
    """Write and load a CLIP tokenizer whose vocabulary holds every known word as one token.

    Byte-pair merges (Sennrich et al. 2016) are learnt on the category names, the templates, the filler words and
    ``sentences``; any other text still falls back to its bytes.
    """
    texts = [*CATEGORIES, *TEMPLATES, *FILLER, *sentences]
    word_counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    merges = _merges(sorted(word_counts))
    letters = list(_byte_symbols())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        model_max_length=CONTEXT,
        pad_token="<|endoftext|>",
    )


def _words(rng: np.random.Generator, count: int) -> list[str]:
    return [str(word) for word in rng.choice(FILLER, count)]


def _merges(vocabulary: Sequence[str]) -> list[tuple[str, str]]:
    """Merge the most frequent pair until every word is one symbol (ties: alphabetical)."""
    spelled = [[*word[:-1], f"{word[-1]}</w>"] for word in vocabulary]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for word in spelled for pair in pairwise(word))
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = [_joined(word, best) for word in spelled]


def _joined(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return out


def _byte_symbols() -> list[str]:
    """The printable stand-ins that byte-level BPE gives the 256 bytes (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    return [table[byte] for byte in sorted(table, key=lambda b: (b not in printable, b))]
