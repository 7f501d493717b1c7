"""What is known of the images that are shown: whether they may be looked at, and their format."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from virtcim.toolstack.images.fence import Fence, FenceLook
from virtcim.toolstack.images.formats import DISK_FORMATS, RAW
from virtcim.toolstack.images.image_file import ImageFile, look_at_image
from virtcim.toolstack.images.paths import canonical_path
from virtcim.toolstack.images.recorded import MadePools, RecordedFormats
from virtcim.toolstack.reading.views import DomainView, PoolView

__all__ = ["KnownImages"]


class KnownImages:
    """Looks at images by path, as far as the fence reaches; records are by the UUID of the host."""

    def __init__(self, fence: Fence, made: MadePools, recorded: RecordedFormats) -> None:
        self._fence = fence
        self._made = made
        self._recorded = recorded

    def fence(self, pools: Iterable[PoolView]) -> FenceLook:
        """Give the fence as it stands: of nothing outside size or existence is told."""
        return self._fence.look(pools, self._made.uuids)

    def look(self, path: str, image_format: str) -> ImageFile | None:
        """Give the size of an image inside the fence."""
        return look_at_image(path, image_format) if self._fence.local else None

    def recorded(self, host: str, path: str) -> str:
        """Give the format that was recorded of an image, empty if none was."""
        return self._recorded.find(host, self._key(path)) if self._recorded else ""

    def keep_first(self, host: str, path: str, image_format: str) -> None:
        """Note the format that a client stated of an image, unless one is known."""
        if image_format in DISK_FORMATS:
            self._recorded.keep_first(host, self._key(path), image_format, 0)

    def note_raw_disks(
        self, host: str, domain: DomainView, path_of: Callable[[str, str], str]
    ) -> None:
        """Forget the formats of what a machine has as raw disks.

        Its guest may make them look like the format that was recorded, with a file of the host in
        the header. ``path_of`` gives the path of a volume by the names of its pool and itself.
        """
        for document in (domain.config, domain.live):
            for disk in () if document is None else document.disks:
                if disk.format in {"", RAW} and disk.device != "cdrom" and not disk.read_only:
                    path = path_of(disk.pool, disk.volume) if disk.volume else disk.source
                    self._written_by_guest(host, path)

    def _written_by_guest(self, host: str, path: str) -> None:
        if self._recorded.may_have(path):
            key = self._key(path)
            if self._recorded.find(host, key) not in {"", RAW}:
                self._recorded.forget(host, key)

    def forget(self, host: str, path: str) -> None:
        """The image at a path is gone, or another one is there."""
        if self._recorded:
            self._recorded.forget(host, self._key(path))

    def _key(self, path: str) -> str:
        if not path.startswith("/"):
            return path
        return canonical_path(path, local=self._fence.local)
