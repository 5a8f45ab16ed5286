"""Words of the web captions: for each texture category the words people also use for it, and what it is seen on."""

from __future__ import annotations

__all__ = ["NAME_SHARE", "OBJECTS", "SYNONYMS", "VAGUE"]

_CLOTH = ("fabric", "scarf", "cushion", "curtain", "dress", "shirt", "rug", "blanket", "skirt", "bag")
_PAPER = ("wallpaper", "wrapping paper", "print", "poster", "notebook cover", "card", "background", "pattern")
_YARN = ("sweater", "scarf", "rug", "basket", "rope", "cushion", "hat", "fabric", "chair seat", "belt")
_HARD = ("tile", "wall", "floor", "panel", "metal sheet", "plate", "door", "surface", "stone", "concrete")
_FOOD = ("cake", "biscuit", "bread", "dessert", "pastry", "cupcake", "snack")
_NATURE = ("rock", "leaf", "tree bark", "sand", "soil", "shell", "plant", "skin", "river bed")

#: Category -> other words for it (some of them loose, as captions are).
SYNONYMS: dict[str, tuple[str, ...]] = {
    "banded": ("with broad bands", "colour-block"), "blotchy": ("patchy", "camouflage"),
    "braided": ("plaited", "with braids"), "bubbly": ("foamy", "with bubbles"),
    "bumpy": ("lumpy", "uneven"), "chequered": ("checkered", "checkerboard", "checked"),
    "cobwebbed": ("spider web", "cobweb"), "cracked": ("crackled", "with cracks"),
    "crosshatched": ("hatched", "pen drawing"), "crystalline": ("crystal", "faceted"),
    "dotted": ("dots", "spotted"), "fibrous": ("fibres", "stringy"),
    "flecked": ("speckled", "tweed"), "freckled": ("freckles", "with spots"),
    "frilly": ("ruffled", "with frills"), "gauzy": ("sheer", "see-through"),
    "grid": ("gridded", "graph paper", "squared"), "grooved": ("ribbed", "with grooves"),
    "honeycombed": ("honeycomb", "hexagons"), "interlaced": ("celtic knot", "intertwined"),
    "knitted": ("knit", "hand-knit"), "lacelike": ("lace", "doily"),
    "lined": ("with thin lines", "ruled"), "marbled": ("marble", "marbling"),
    "matted": ("tangled", "felted"), "meshed": ("mesh", "net", "wire netting"),
    "paisley": ("boteh", "teardrop print"), "perforated": ("punched", "with holes"),
    "pitted": ("pockmarked", "corroded"), "pleated": ("with pleats", "folded"),
    "polka-dotted": ("polka dot", "spotted", "big dots"), "porous": ("spongy", "sponge", "with holes"),
    "potholed": ("pothole", "damaged road"), "scaly": ("scales", "reptile"),
    "smeared": ("smudged", "brushed"), "spiralled": ("spiral", "coiled"),
    "sprinkled": ("sprinkles", "confetti"), "stained": ("stains", "spotted"),
    "stratified": ("layered", "strata"), "striped": ("stripes", "stripy"),
    "studded": ("studs", "with rivets"), "swirly": ("swirls", "curly"),
    "veined": ("with veins", "leaf veins"), "waffled": ("waffle", "waffle weave"),
    "woven": ("weave", "basket weave"), "wrinkled": ("creased", "crumpled"),
    "zigzagged": ("zigzag", "chevron"),
}  # fmt: skip

_EVERYDAY = (
    "braided", "cracked", "dotted", "grid", "knitted", "lined", "marbled", "paisley", "pleated", "polka-dotted",
    "stained", "striped", "woven", "wrinkled",
)  # fmt: skip
_BOOKISH = (
    "blotchy", "cobwebbed", "crosshatched", "flecked", "freckled", "gauzy", "interlaced", "lacelike", "matted",
    "meshed", "pitted", "potholed", "spiralled", "stratified", "veined", "waffled", "zigzagged",
)  # fmt: skip

#: Category -> how often a truthful caption says it by its own name; else it uses other words. DTD's adjectives are
#: rare in captions: people write "spider web", hardly ever "cobwebbed".
NAME_SHARE: dict[str, float] = {
    name: 0.3 if name in _EVERYDAY else 0.012 if name in _BOOKISH else 0.06 for name in SYNONYMS
}

#: Category -> what it is seen on. The lists overlap on purpose: an object says little about the texture.
OBJECTS: dict[str, tuple[str, ...]] = {
    "banded": _CLOTH + _NATURE, "blotchy": _CLOTH + _NATURE, "braided": _YARN, "bubbly": ("drink", "soap", *_NATURE),
    "bumpy": _HARD + _NATURE, "chequered": _CLOTH + _HARD, "cobwebbed": ("window", "garden", *_NATURE),
    "cracked": _HARD + _NATURE, "crosshatched": _PAPER, "crystalline": ("mineral", "ice", *_NATURE),
    "dotted": _CLOTH + _PAPER, "fibrous": _NATURE + _YARN, "flecked": _CLOTH + _HARD, "freckled": ("face", "arm", *_NATURE),
    "frilly": _CLOTH, "gauzy": _CLOTH, "grid": _PAPER + _HARD, "grooved": _HARD, "honeycombed": _NATURE + _HARD,
    "interlaced": _PAPER + _YARN, "knitted": _YARN, "lacelike": _CLOTH, "lined": _PAPER, "marbled": _HARD + _PAPER,
    "matted": _YARN + _NATURE, "meshed": ("fence", *_HARD), "paisley": _CLOTH, "perforated": _HARD, "pitted": _HARD,
    "pleated": _CLOTH, "polka-dotted": _CLOTH + _PAPER, "porous": _FOOD + _NATURE, "potholed": ("road", "street", "car park"),
    "scaly": ("roof", "fish", "snake", *_NATURE), "smeared": ("glass", "canvas", *_PAPER), "spiralled": _PAPER + _NATURE,
    "sprinkled": _FOOD, "stained": _CLOTH + _PAPER, "stratified": _NATURE, "striped": _CLOTH + _PAPER,
    "studded": ("jacket", "belt", "bag", *_HARD), "swirly": _PAPER + _CLOTH, "veined": _NATURE + _HARD,
    "waffled": _FOOD + _CLOTH, "woven": _YARN, "wrinkled": _CLOTH + _NATURE, "zigzagged": _CLOTH + _PAPER,
}  # fmt: skip

#: Captions that name no texture at all.
VAGUE: tuple[str, ...] = (
    "close-up of a {object}", "{colour} {object}", "{object} for sale", "nice {object} I found", "IMG {number}",
    "{colour} and {other} {object}", "stock photo, {object}", "new {object} in {colour}", "detail, {place}",
    "my {object}, {place}", "{colour} background", "product photo {number}", "free texture download {number}",
)  # fmt: skip
