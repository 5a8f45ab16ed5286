"""Sentences about classes: to draw or search images with, and to classify by."""

from susx.prompts.classify import classifier_sentences
from susx.prompts.fallback import without_sentences
from susx.prompts.images import cupl_sentences, image_prompts, photo_prompt
from susx.prompts.sentences import class_sentences, read_sentences

__all__ = [
    "class_sentences",
    "classifier_sentences",
    "cupl_sentences",
    "image_prompts",
    "photo_prompt",
    "read_sentences",
    "without_sentences",
]
