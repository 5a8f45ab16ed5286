"""The commands of ``susx``, one module per group; see :mod:`susx.cli`."""
