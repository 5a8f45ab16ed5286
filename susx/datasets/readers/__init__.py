"""One reader per layout a data set has on disk; ``susx.config.readers`` names them."""
