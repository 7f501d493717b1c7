"""Which disks of a running domain have failed: the one question of reading that QEMU answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.native.connection import LibvirtConnection

__all__ = ["read_disk_errors"]

_log = logging.getLogger(__name__)

# An emulator that does not answer must not keep everything else from being read.
_PATIENCE_S = 5.0


def read_disk_errors(connection: LibvirtConnection, uuid: str) -> Mapping[str, int]:
    """Give virDomainGetDiskErrors: by target, VIR_DOMAIN_DISK_ERROR_*; nothing if nobody tells."""
    found: dict[str, int] = {}

    def ask() -> None:
        try:
            with connection.operating() as handle:
                domain = connection.call(handle.lookupByUUIDString, uuid)
                found.update(connection.call(domain.diskErrors))
        except (XapiFailure, libvirt.libvirtError) as error:
            _log.debug("the disk errors of domain %s cannot be read: %s", uuid, error)

    asking = threading.Thread(target=ask, name="disk-errors", daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    return dict(found)
