"""Our class declarations over the DMTF CIM schema, and the compiled schema."""

from virtcim.mof.cache import (
    SYSTEM_CACHE,
    SchemaError,
    cache_directory,
    ensure_schema,
    has_current_schema,
    kept_archive,
    load_schema,
    schema_files,
)
from virtcim.mof.schema import Schema, is_embedded
from virtcim.mof.standard import PROFILE_CLASSES

__all__ = [
    "PROFILE_CLASSES",
    "SYSTEM_CACHE",
    "Schema",
    "SchemaError",
    "cache_directory",
    "ensure_schema",
    "has_current_schema",
    "is_embedded",
    "kept_archive",
    "load_schema",
    "schema_files",
]
