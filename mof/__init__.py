"""Our class declarations over the DMTF CIM schema, and the compiled schema."""

from virtcim.mof.cache import SYSTEM_CACHE, SchemaError, cache_directory, ensure_schema, load_schema
from virtcim.mof.schema import Schema, is_embedded
from virtcim.mof.standard import PROFILE_CLASSES

__all__ = [
    "PROFILE_CLASSES",
    "SYSTEM_CACHE",
    "Schema",
    "SchemaError",
    "cache_directory",
    "ensure_schema",
    "is_embedded",
    "load_schema",
]
