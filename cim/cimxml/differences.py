"""The texts of instances as what makes them differ from each other.

Thousands of instances of a class have the same text but for a few values: names, sizes, states. All
else is kept once, in an outline with a place for each of these; a text is put together when it is
wanted, which takes about as long as copying it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from virtcim.cim.cimxml.outlines import PLACE, Outline, outline, put_together
from virtcim.cim.records import KeptText

__all__ = ["Differences", "Likeness", "Values", "picking"]

Values = tuple[str, ...]

# What Python needs for an object and for a short text, beside its characters.
_OBJECT_BYTES, _TEXT_BYTES = 120, 50
# Most texts are those of one instance, which may be gone: each stays until there are so many. What
# thousands of instances have in common is then there once in a hundred of them: as good as once.
_MAX_TEXTS = 256
_LONGEST = 64


class Differences:
    """The text of one instance by ``writer``; with those by others (``further``) ``number``."""

    __slots__ = ("_outline", "_values", "further", "number", "writer")

    def __init__(
        self, writer: object, outline: Outline, values: Values, further: KeptText | None
    ) -> None:
        self.writer = writer
        self._outline = outline
        self._values = values
        self.further = further
        self.number: int = 1 if further is None else further.number + 1

    def text(self) -> bytes:
        """The whole text."""
        return put_together(self._outline, self._values).encode()

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, about; the outline is that of thousands."""
        return _OBJECT_BYTES + sum(_TEXT_BYTES + len(value) for value in self._values)


def _places(form: str) -> int:
    return form.replace("%%", "").count("%s")


class Likeness:
    """What the texts of instances that are written by one form have in common so far.

    ``form`` is a text with a place for each value. What has differed once is kept with each
    instance from then on; what was kept before stays as it is. Safe in many threads: the common
    part is replaced as a whole.
    """

    __slots__ = ("_common", "_form", "_known", "_outline")

    def __init__(self, form: str) -> None:
        self._form = form
        self._outline = outline(form % ((PLACE,) * _places(form)))
        self._known: dict[str, str] = {}
        self._common: _Common | None = None

    def text(self, values: Values) -> bytes:
        """The whole text with these values."""
        return put_together(self._outline, values).encode()

    def of(self, values: Values) -> tuple[Outline, Values]:
        """An outline, and what is to be put into it for the text with these values."""
        common = self._common
        if common is None or common.pick_same(values) != common.same:
            differing = set() if common is None else common.differing
            first = values if common is None else common.first
            found = {
                place
                for place, (one, other) in enumerate(zip(first, values, strict=True))
                if one != other
            }
            common = self._common = _Common(self._form, first, differing | found)
        return common.outline, self._shared(common.pick_other(values))

    def _shared(self, values: Values) -> Values:
        """The same with texts that many instances have, each once."""
        known = self._known
        if len(known) > _MAX_TEXTS:
            known.clear()
        return tuple([known.setdefault(one, one) if len(one) < _LONGEST else one for one in values])


class _Common:
    """What is the same in all texts so far: all but the values at the places ``differing``."""

    __slots__ = ("differing", "first", "outline", "pick_other", "pick_same", "same")

    def __init__(self, form: str, first: Values, differing: set[int]) -> None:
        self.first = first
        self.differing = differing
        places = range(len(first))
        self.pick_other = picking([each for each in places if each in differing])
        self.pick_same = picking([each for each in places if each not in differing])
        self.same = self.pick_same(first)
        whole = form % tuple(
            PLACE if place in differing else value for place, value in enumerate(first)
        )
        self.outline = outline(whole)


def picking(places: Sequence[int]) -> Callable[[Values], Values]:
    """What gives the texts at some places of many."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[place] for place in places])
