"""References and UUIDs that stay the same across restarts, derived from native identities."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from uuid import NAMESPACE_URL, uuid4, uuid5

__all__ = ["NULL", "derived_uuid", "random_reference", "reference", "uuid_of"]

NULL = "OpaqueRef:NULL"
_NAMESPACE = uuid5(NAMESPACE_URL, "urn:virtcim:toolstack").bytes
# The two highest bits of that digit say by which rule a UUID was made.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


# A record names the same few objects again and again.
# What is made anew takes 2 microseconds; each that is remembered 320 bytes, gone or not.
@lru_cache(maxsize=1 << 15)
def derived_uuid(class_name: str, identity: str) -> str:
    """Give the UUID of an object that libvirt gives none, from what identifies it there."""
    # What uuid.uuid5 does (RFC 4122 section 4.3), in a fifth of its time: there are many.
    name = f"{class_name}/{identity}".encode()
    text = sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()
    variant = _VARIANT[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


_PREFIX = "OpaqueRef:"


def reference(class_name: str, identity: str) -> str:
    """Give the XenAPI reference of the object that libvirt knows by ``identity``."""
    return f"{_PREFIX}{derived_uuid(class_name, identity)}"


def uuid_of(ref: str) -> str:
    """Give the UUID of an object that libvirt gives none: its reference is made of that."""
    return ref.removeprefix(_PREFIX)


def random_reference() -> str:
    """Give a reference for what lives only in this process: sessions and tasks."""
    return f"OpaqueRef:{uuid4()}"
