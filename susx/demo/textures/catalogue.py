"""The 47 categories of the textures data set: DTD's names, in DTD's order, and the function that draws each.

Names from Cimpoi et al., "Describing Textures in the Wild", CVPR 2014. Only the words are theirs: no image is.
"""

from __future__ import annotations

from susx.demo.textures import holes, lines, organic, spots, threads
from susx.demo.textures.domains import Draw

__all__ = ["CATEGORIES", "DRAW"]

#: Category -> drawing function, in DTD's (alphabetical) order: the order is the label.
DRAW: dict[str, Draw] = {
    "banded": lines.banded,
    "blotchy": organic.blotchy,
    "braided": threads.braided,
    "bubbly": spots.bubbly,
    "bumpy": holes.bumpy,
    "chequered": lines.chequered,
    "cobwebbed": threads.cobwebbed,
    "cracked": organic.cracked,
    "crosshatched": lines.crosshatched,
    "crystalline": organic.crystalline,
    "dotted": spots.dotted,
    "fibrous": threads.fibrous,
    "flecked": spots.flecked,
    "freckled": spots.freckled,
    "frilly": threads.frilly,
    "gauzy": threads.gauzy,
    "grid": lines.grid,
    "grooved": lines.grooved,
    "honeycombed": holes.honeycombed,
    "interlaced": threads.interlaced,
    "knitted": threads.knitted,
    "lacelike": threads.lacelike,
    "lined": lines.lined,
    "marbled": organic.marbled,
    "matted": threads.matted,
    "meshed": threads.meshed,
    "paisley": organic.paisley,
    "perforated": holes.perforated,
    "pitted": holes.pitted,
    "pleated": lines.pleated,
    "polka-dotted": spots.polka_dotted,
    "porous": holes.porous,
    "potholed": holes.potholed,
    "scaly": organic.scaly,
    "smeared": organic.smeared,
    "spiralled": organic.spiralled,
    "sprinkled": spots.sprinkled,
    "stained": organic.stained,
    "stratified": lines.stratified,
    "striped": lines.striped,
    "studded": spots.studded,
    "swirly": organic.swirly,
    "veined": organic.veined,
    "waffled": lines.waffled,
    "woven": threads.woven,
    "wrinkled": lines.wrinkled,
    "zigzagged": lines.zigzagged,
}

#: The category names; a category's place is its label.
CATEGORIES: tuple[str, ...] = tuple(DRAW)
