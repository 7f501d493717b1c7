"""In what format an image was made or first attached, and which pools clients of ours made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from virtcim.toolstack.state import StateDatabase

__all__ = ["MadePools", "RecordedFormats"]


class RecordedFormats:
    """Formats by host and path of an image; each is that of the file with the inode of then.

    The inode is 0 where it is not known. Everything that changes raises StateError.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._query = database.query
        self._known: dict[tuple[str, str], tuple[str, int]] = {
            (host, path): (image_format, inode)
            for host, path, image_format, inode in self._query(
                "select host, path, format, inode from image_format"
            )
        }
        self._names = Counter(_name(path) for _, path in self._known)

    def __bool__(self) -> bool:
        return bool(self._known)

    def may_have(self, path: str) -> bool:
        """Whether an image of that name may be known, in any directory: a quick look."""
        return _name(path) in self._names

    def find(self, host: str, path: str, inode: int = 0) -> str:
        """Give the format of an image, empty if none is known; another file has none."""
        image_format, then = self._known.get((host, path), ("", 0))
        if inode and then and inode != then:
            self.forget(host, path)
            return ""
        return image_format

    def keep_first(self, host: str, path: str, image_format: str, inode: int) -> None:
        """Note the format of an image unless one is known."""
        if (host, path) not in self._known:
            self.replace(host, path, image_format, inode)

    def replace(self, host: str, path: str, image_format: str, inode: int) -> None:
        """Note the format of an image that was made anew, or that a client states anew."""
        self._query(
            "insert or replace into image_format values (?, ?, ?, ?)",
            *(host, path, image_format, inode),
        )
        if (host, path) not in self._known:
            self._names[_name(path)] += 1
        self._known[host, path] = (image_format, inode)

    def forget(self, host: str, path: str) -> None:
        """Forget an image that was deleted or replaced."""
        if self._known.pop((host, path), None) is not None:
            name = _name(path)
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
            self._query("delete from image_format where host = ? and path = ?", host, path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


class MadePools:
    """The UUIDs of the storage pools that clients of ours made."""

    def __init__(self, database: StateDatabase) -> None:
        self._query = database.query
        self._uuids = {str(uuid) for (uuid,) in self._query("select uuid from made_pool")}

    @property
    def uuids(self) -> Collection[str]:
        """All of them, whether they are still there or not."""
        return frozenset(self._uuids)

    def add(self, uuid: str) -> None:
        """Note a pool before it is made."""
        self._query("insert or ignore into made_pool values (?)", uuid)
        self._uuids.add(uuid)

    def remove(self, uuid: str) -> None:
        """Forget a pool that is gone."""
        self._query("delete from made_pool where uuid = ?", uuid)
        self._uuids.discard(uuid)
