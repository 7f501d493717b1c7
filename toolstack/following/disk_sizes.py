"""Sizes of images that nobody may look at but libvirt, which tells them for the machine's disk."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

import libvirt

from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.images.image_file import ImageFile
from virtcim.toolstack.native.connection import LibvirtConnection

__all__ = ["DiskSizes"]

_log = logging.getLogger(__name__)

# How soon it is noticed that all stops while libvirt is still being read.
_LOOK_S = 1.0

Tell = Callable[[str, ImageFile], None]  # path, sizes


class DiskSizes:
    """Asks libvirt one disk after the other, in a thread of its own.

    A machine that does not answer keeps only further sizes waiting. ``tell`` is called with what
    was found; where libvirt knows no size, too, nothing is told. The first reading comes first.
    """

    def __init__(
        self, connection: LibvirtConnection, tell: Tell, *, mark_background: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._tell = tell
        self._mark_background = mark_background
        self._wanted: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()
        self._unsupported = False
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="disk-sizes", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what libvirt still does is not waited for."""
        self._stopping = True
        self._wanted.put(None)

    def ask(self, domain: str, target: str, path: str) -> None:
        """Ask for the size of the image at ``path``: a domain (UUID) has it as disk ``target``."""
        if not self._unsupported:
            self._wanted.put((domain, target, path))

    def _work(self) -> None:
        self._mark_background()
        while not self._connection.wait_attempted(_LOOK_S):
            if self._stopping:
                return
        while (wanted := self._wanted.get()) is not None:
            try:
                found = self._sizes(*wanted[:2])
            except (XapiFailure, libvirt.libvirtError) as error:
                _log.debug("libvirt does not tell the size of %s: %s", wanted[2], error)
                if isinstance(error, libvirt.libvirtError):
                    self._unsupported |= error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
            else:
                self._tell(wanted[2], found)

    def _sizes(self, domain: str, target: str) -> ImageFile:
        with self._connection.operating() as handle:
            found = self._connection.call(handle.lookupByUUIDString, domain)
            capacity, allocation, _ = self._connection.call(found.blockInfo, target)
        return ImageFile(virtual_size_bytes=capacity, allocated_bytes=allocation)
