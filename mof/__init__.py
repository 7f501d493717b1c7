"""Our class declarations over the DMTF CIM schema, and the compiled schema."""

from virtcim.mof.cache import SchemaError, cache_directory, ensure_schema, load_schema
from virtcim.mof.schema import Schema, is_embedded

__all__ = [
    "Schema",
    "SchemaError",
    "cache_directory",
    "ensure_schema",
    "is_embedded",
    "load_schema",
]
