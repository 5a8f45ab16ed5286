"""Sentences about classes: to draw or search images with, and to classify by."""

from susx.naming.class_sentences import classifier_sentences
from susx.naming.fallback import without_sentences
from susx.naming.image_sentences import cupl_sentences, image_prompts, photo_prompt
from susx.naming.sentences import class_sentences, read_sentences

__all__ = [
    "class_sentences",
    "classifier_sentences",
    "cupl_sentences",
    "image_prompts",
    "photo_prompt",
    "read_sentences",
    "without_sentences",
]
