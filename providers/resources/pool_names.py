"""What a client names a pool by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from virtcim.cim.path_text import read_path_text
from virtcim.hypervisor.model import Network, StorageRepository
from virtcim.providers.engine.identities import parse_instance_id

__all__ = ["pool_object"]

_Named = TypeVar("_Named", Network, StorageRepository)


def pool_object(given: str, part: str, peers_part: str, objects: Iterable[_Named]) -> _Named | None:
    """The object with a PoolID, an object path of a pool, a UUID, or a name.

    The PoolIDs of libvirt-cim are ``DiskPool/NAME`` and ``NetworkPool/NAME``.
    """
    wanted = _instance_id(given)
    parsed = parse_instance_id(wanted)
    if parsed is not None:
        if parsed[1] not in (part, ""):
            return None
        wanted = parsed[0]
    elif wanted.lower().startswith(f"{peers_part.lower()}/"):
        wanted = wanted[len(peers_part) + 1 :]
    candidates = tuple(objects)
    by_uuid = next((each for each in candidates if each.uuid == wanted.lower()), None)
    return by_uuid or next((each for each in candidates if each.name_label == wanted), None)


def _instance_id(given: str) -> str:
    """The InstanceID in an object path; what is no object path stays as it is."""
    try:
        key = read_path_text(given).key("InstanceID")
    except ValueError:
        return given
    return key if isinstance(key, str) else given
