"""Procedural textures: the 47 category names of DTD, each drawn from a seed, in a "web" and a "camera" domain."""

from susx.demo.textures.batch import pictures
from susx.demo.textures.catalogue import CATEGORIES, DRAW
from susx.demo.textures.drawn_split import ROOT_SEED, SPLITS, contact_sheet, render
from susx.demo.textures.palette import colour_name

__all__ = ["CATEGORIES", "DRAW", "ROOT_SEED", "SPLITS", "colour_name", "contact_sheet", "pictures", "render"]
