"""Object paths as text (DSP0004 "Object Paths"): ``root/virt:CIM_X.Name="a",Number=5,Flag=TRUE``.

The text does not say which class a key is of, so a reference and a character are strings in it.
"""

from __future__ import annotations

import re

from virtcim.cim.data_types import DATA_TYPES
from virtcim.cim.records import KeyValue, ObjectPath

__all__ = ["path_text", "read_path_text"]

_NAME = r"[A-Za-z_\u0080-\uffef][A-Za-z0-9_\u0080-\uffef]*"
_HEAD = re.compile(
    rf"(?:(?:(?:[a-z]+:)?//[^/]*/)?/?(?P<namespace>[^:.\"=]*):)?(?P<class>{_NAME})(?P<keys>\.)?"
)
_KEY = re.compile(
    rf"""(?P<name>{_NAME})=
    (?: "(?P<string>(?:[^"\\]|\\.)*)" | '(?P<character>[^'\\]|\\.)' | (?P<word>[^,"']+) )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MAX_LENGTH = 64 * 1024
_WIDEST = ("uint64", "sint64")


def path_text(path: ObjectPath) -> str:
    """The text of a path; what it refers to must be known where it is read."""
    head = f"{path.namespace}:{path.class_name}" if path.namespace else path.class_name
    if not path.keys:
        return head
    return f"{head}.{','.join(f'{name}={_key_text(value)}' for name, value in path.keys)}"


def _key_text(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    text = path_text(value) if isinstance(value, ObjectPath) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_path_text(text: str) -> ObjectPath:
    """The path that a text stands for. Raises ValueError saying what is wrong with it.

    A reference among the keys stays its text, and a host in front of the namespace is left out.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"an object path has at most {_MAX_LENGTH} characters")
    head = _HEAD.match(text)
    if head is None or (head["keys"] is None and head.end() != len(text)):
        raise ValueError("an object path is namespace:Class or namespace:Class.Key=value,...")
    keys: dict[str, KeyValue] = {}
    position = head.end()
    while head["keys"]:
        found = _KEY.match(text, position)
        if found is None:
            rest = text[position:]
            raise ValueError(f'a key is Name="text", Name=5 or Name=TRUE, not {rest:.40}')
        if any(found["name"].lower() == name.lower() for name in keys):
            raise ValueError(f"the key {found['name']} is given twice")
        keys[found["name"]] = _key_value(found)
        position = found.end()
        if position == len(text):
            break
        if text[position] != ",":
            raise ValueError(f"keys are divided by commas, not {text[position:]:.40}")
        position += 1
    return ObjectPath(head["class"], keys, namespace=(head["namespace"] or "").strip("/"))


def _key_value(found: re.Match[str]) -> KeyValue:
    for form in ("string", "character"):
        if found[form] is not None:
            return _ESCAPED.sub(r"\1", found[form])
    word = found["word"]
    for name in ("boolean", *_WIDEST):
        try:
            value = DATA_TYPES[name].read(word)
        except ValueError:
            continue
        assert isinstance(value, int)
        return value
    raise ValueError(f"{word:.40} is neither a number nor TRUE nor FALSE; texts stand in quotes")
