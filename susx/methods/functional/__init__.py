"""Pure functions behind the methods, each with its formula and shapes."""

from typing import TYPE_CHECKING

from susx.lazy_names import lazily

if TYPE_CHECKING:
    from susx.methods.functional.affinity import affinity
    from susx.methods.functional.cache_logits import cache_logits, class_sums
    from susx.methods.functional.class_divergence import class_divergence, class_log_signatures
    from susx.methods.functional.image_weights import Weighting, nominal_count, support_weights
    from susx.methods.functional.kl import kl_divergence
    from susx.methods.functional.ranges import support_affinity_range, support_divergence_range
    from susx.methods.functional.rescale import AffineMap, affine_map, rescale_to_range
    from susx.methods.functional.signature import log_signature

__all__ = [
    "AffineMap",
    "Weighting",
    "affine_map",
    "affinity",
    "cache_logits",
    "class_divergence",
    "class_log_signatures",
    "class_sums",
    "kl_divergence",
    "log_signature",
    "nominal_count",
    "rescale_to_range",
    "support_affinity_range",
    "support_divergence_range",
    "support_weights",
]

_PLACES = {
    "affinity": ("affinity",),
    "cache_logits": (
        "cache_logits",
        "class_sums",
    ),
    "class_divergence": (
        "class_divergence",
        "class_log_signatures",
    ),
    "kl": ("kl_divergence",),
    "ranges": (
        "support_affinity_range",
        "support_divergence_range",
    ),
    "rescale": (
        "AffineMap",
        "affine_map",
        "rescale_to_range",
    ),
    "signature": ("log_signature",),
    "image_weights": (
        "Weighting",
        "nominal_count",
        "support_weights",
    ),
}

# A folder is labelled from a bundle by functions of this package where there is no torch.
__getattr__ = lazily(__name__, _PLACES)
