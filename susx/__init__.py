"""susx: name-only image classification with support sets and CLIP."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from susx.classifier import load_classifier

__version__ = "0.1.0"

__all__ = ["__version__", "load_classifier"]


def __getattr__(name: str) -> Any:
    # torch is imported when a classifier is loaded, not when susx is.
    if name == "load_classifier":
        from susx.classifier import load_classifier

        return load_classifier
    raise AttributeError(f"module 'susx' has no attribute {name!r}")
