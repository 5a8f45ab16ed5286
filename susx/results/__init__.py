"""Results of experiments: the format they are kept in, and the tables, figures and audits that are made of them."""

from susx.results.format import Result, is_result, read_result

__all__ = ["Result", "is_result", "read_result"]
