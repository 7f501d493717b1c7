"""Queries over instances: DMTF:CQL (DSP0202) and WQL."""

from virtcim.cimserver.queries.query import InvalidQuery, Query, UnknownLanguage, compile_query

__all__ = ["InvalidQuery", "Query", "UnknownLanguage", "compile_query"]
