"""References and UUIDs that stay the same across restarts, derived from native identities."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from uuid import NAMESPACE_URL, uuid4, uuid5

__all__ = ["NULL", "derived_uuid", "random_reference", "reference"]

NULL = "OpaqueRef:NULL"
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:virtcim:toolstack").bytes


# A record names the same few objects again and again.
@lru_cache(maxsize=1 << 17)
def derived_uuid(class_name: str, identity: str) -> str:
    """Give the UUID of an object that libvirt gives none, from what identifies it there."""
    # What uuid.uuid5 does (RFC 4122 section 4.3), in a fifth of its time: there are many.
    name = f"{class_name}/{identity}".encode()
    digest = bytearray(sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def reference(class_name: str, identity: str) -> str:
    """Give the XenAPI reference of the object that libvirt knows by ``identity``."""
    return f"OpaqueRef:{derived_uuid(class_name, identity)}"


def random_reference() -> str:
    """Give a reference for what lives only in this process: sessions and tasks."""
    return f"OpaqueRef:{uuid4()}"
