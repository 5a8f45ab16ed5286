"""Features: open_clip encoders and files of features."""
