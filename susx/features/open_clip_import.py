"""Importing open_clip, which takes most of the time in which a command seems to do nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["import_open_clip"]


def import_open_clip() -> Any:
    """Return the module ``open_clip``.

    It imports transformers' text generation for CoCa, and that scikit-learn, a quarter of the whole import, for one way
    of assisted decoding that nothing here uses. So transformers is told that scikit-learn is not there; everybody else imports it as ever.
    """
    try:
        from transformers.utils import import_utils
    except ImportError:  # open_clip does without as well
        pass
    else:
        if hasattr(import_utils, "_sklearn_available"):
            import_utils._sklearn_available = False
    import open_clip

    return open_clip
