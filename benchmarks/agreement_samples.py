"""Labelled samples, and those of which the repository keeps no foreign sentence.

A sample is a record of a fault with ``expect``, the code that is right, and ``accept``, codes that
are defensible. One that was drawn from the messages of a source holds ``skeleton``, a hash of the
message, ``values`` for its places, and ``@TEXT@`` where the message stands in ``raw``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalogue_records import PLACE, skeleton
from source_messages import messages_below

__all__ = ["SampleError", "formats_in", "record_of", "reduced"]

_HASH = "skeleton"
_TEXT = "@TEXT@"

_Sample = dict[str, Any]


class SampleError(ValueError):
    """A sample that cannot be used; the text names it."""


def formats_in(places: Sequence[Path]) -> dict[str, str]:
    """All messages that stand in the sources at ``places``, by their hash."""
    return {
        skeleton(one.source, one.format): one.format
        for place in places
        for one in messages_below(place)
        if one.format
    }


def record_of(sample: _Sample, formats: Mapping[str, str]) -> _Sample | None:
    """The record of a sample, its message put together again; None where no source has it."""
    if _HASH not in sample:
        return sample
    written = formats.get(sample[_HASH])
    if written is None:
        return None
    values = iter(sample["values"])
    text = PLACE.sub(lambda _: next(values, ""), written)
    return {**sample, "raw": _replaced(sample["raw"], _TEXT, text)}


def reduced(path: Path) -> Iterator[str]:
    """The samples of a file, with a hash where they hold the ``format`` of their message.

    Raises SampleError where the message of a sample is not of its format.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        sample: _Sample = json.loads(line)
        written = sample.pop("format", None)
        if written is not None:
            message = _message(sample["raw"], written)
            if message is None:
                raise SampleError(f"{path}: {sample.get('id')}: its message has another format")
            sample[_HASH] = skeleton(sample["source"], written)
            sample["values"] = list(message.groups())
            sample["raw"] = _replaced(sample["raw"], message[0], _TEXT)
        yield json.dumps(sample, ensure_ascii=False)


def _message(raw: object, written: str) -> re.Match[str] | None:
    """Where in ``raw`` the message stands that is ``written`` in a source."""
    pattern = "(.*?)".join(re.escape(part) for part in PLACE.split(written))
    for text in _texts(raw):
        # Up to the end if possible: what stands there may be a value.
        found = re.search(f"{pattern}$", text, re.DOTALL) or re.search(pattern, text, re.DOTALL)
        if found is not None:
            return found
    return None


def _texts(raw: object) -> Iterator[str]:
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, Mapping):
        for value in raw.values():
            yield from _texts(value)


def _replaced(raw: object, old: str, new: str) -> Any:
    """``raw`` with ``old`` for ``new`` in all its texts."""
    if isinstance(raw, str):
        return raw.replace(old, new)
    if isinstance(raw, Mapping):
        return {key: _replaced(value, old, new) for key, value in raw.items()}
    return raw
