"""The InstanceIDs of this model: ``VirtCIM:<uuid>`` and ``VirtCIM:<uuid>/<part>``."""

from __future__ import annotations

__all__ = ["PREFIX", "instance_id", "parse_instance_id"]

PREFIX = "VirtCIM:"


def instance_id(uuid: str, part: str = "") -> str:
    """The InstanceID of ``part`` of the object ``uuid``."""
    return f"{PREFIX}{uuid}/{part}" if part else f"{PREFIX}{uuid}"


def parse_instance_id(text: str) -> tuple[str, str] | None:
    """The UUID (in lower case) and the part in an InstanceID; None where it is none of ours."""
    if not text.startswith(PREFIX):
        return None
    uuid, _, part = text.removeprefix(PREFIX).partition("/")
    return uuid.lower(), part
