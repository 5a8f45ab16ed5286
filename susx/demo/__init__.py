"""The embedded world: procedural textures, a tiny CLIP and a captioned pool, so that everything runs offline."""

__all__: list[str] = []
