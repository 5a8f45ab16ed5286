"""Support images: drawn by diffusion or retrieved, decoded safely."""
