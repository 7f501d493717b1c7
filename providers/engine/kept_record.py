"""Records that are kept for as long as what they are computed from is the same.

What takes most memory of an instance are its values and its name, and nobody needs them any more
once it is written: then they are forgotten, and computed again for whoever wants them. As what they
are computed from never changes, they are the same again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from virtcim.cim.records import Keeping, ObjectPath, Record, Value
from virtcim.providers.engine.instance_class import AnyNode

__all__ = ["KeptRecord"]

_log = logging.getLogger(__name__)

# About what there is of each: the record itself, what it is computed from, its identity and its
# place in the cache; its name; its text, where nobody has written it yet; a value.
_RECORD_BYTES, _PATH_BYTES, _UNWRITTEN_BYTES, _VALUE_BYTES = 500, 500, 400, 40


_slot_of_path = vars(Record)["path"].__get__


class KeptRecord(Record):
    """The record of ``node`` in a namespace."""

    __slots__ = ("_namespace", "node")

    keeping: ClassVar[Keeping] = "differences"

    def __init__(self, node: AnyNode, namespace: str) -> None:
        # Not that of Record: values and path are there when they are first asked for.
        self.class_name = node.instance_class.name
        self.encoded = None
        self.differences = None
        self.node = node
        self._namespace = namespace

    def __getattr__(self, name: str) -> Any:
        """Compute what is not there: Python asks for nothing else."""
        found: object
        if name == "values":
            keys = self.node.keys()
            values = {**keys, **_values(self.node)}
            if self.known_path is None:
                # Whoever writes the values mostly writes the name, too.
                self.path = ObjectPath(self.class_name, keys, namespace=self._namespace)
            found = {name: value for name, value in values.items() if value is not None}
        elif name == "path":
            found = ObjectPath(self.class_name, self.node.keys(), namespace=self._namespace)
        else:
            raise AttributeError(name)
        setattr(self, name, found)
        return found

    def release(self) -> None:
        """Forget the values; the name, too, unless its own text is kept with it."""
        try:
            del self.values
            if (path := self.known_path) is not None and not path.encoded_name:
                del self.path
        except AttributeError:
            pass  # another thread was faster

    @property
    def known_path(self) -> ObjectPath | None:
        """The name, None where it has to be made first."""
        try:
            # Unlike self.path, this makes nothing.
            path: ObjectPath | None = _slot_of_path(self)
        except AttributeError:
            return None
        return path

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, about."""
        size = _RECORD_BYTES
        if (path := self.known_path) is not None:
            size += _PATH_BYTES + len(path.encoded_name) + len(path.encoded_reference)
        if self._has("values"):
            size += sys.getsizeof(self.values) + _VALUE_BYTES * len(self.values)
        kept = self.differences
        if kept is None:
            return size + _UNWRITTEN_BYTES
        while kept is not None:
            size += kept.size_bytes
            kept = kept.further
        return size

    def _has(self, name: str) -> bool:
        try:
            # Unlike self.name, this makes nothing.
            object.__getattribute__(self, name)
        except AttributeError:
            return False
        return True


def _values(node: AnyNode) -> Mapping[str, Value]:
    """What is to be shown of an instance; where that fails it costs only this one."""
    try:
        return node.values()
    except Exception as error:  # noqa: BLE001 - the boundary of one instance
        _report(f"{node.instance_class.name} {node.identity}", repr(error))
        return {}


@lru_cache(maxsize=256)
def _report(what: str, error: str) -> None:
    """Say once what cannot be shown."""
    _log.error("only the keys of %s can be shown: %s", what, error)
