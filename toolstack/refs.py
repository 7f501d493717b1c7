"""References and UUIDs that stay the same across restarts, derived from native identities."""

from __future__ import annotations

from functools import lru_cache
from uuid import NAMESPACE_URL, uuid4, uuid5

__all__ = ["NULL", "derived_uuid", "random_reference", "reference"]

NULL = "OpaqueRef:NULL"
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:virtcim:toolstack")


# A record names the same few objects again and again.
@lru_cache(maxsize=1 << 17)
def derived_uuid(class_name: str, identity: str) -> str:
    """Give the UUID of an object that libvirt gives none, from what identifies it there."""
    return str(uuid5(_NAMESPACE, f"{class_name}/{identity}"))


def reference(class_name: str, identity: str) -> str:
    """Give the XenAPI reference of the object that libvirt knows by ``identity``."""
    return f"OpaqueRef:{derived_uuid(class_name, identity)}"


def random_reference() -> str:
    """Give a reference for what lives only in this process: sessions and tasks."""
    return f"OpaqueRef:{uuid4()}"
