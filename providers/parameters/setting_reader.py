"""Reading the properties of one embedded setting so that none is lost.

Every property that is not NULL is either taken by the reader of its kind, accepted because its
value is what happens anyway, or refused by name when the reading is finished.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from fractions import Fraction

from virtcim.cim.data_types import read_value
from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, Record, Scalar, Value
from virtcim.hypervisor.labels import label_fault
from virtcim.providers.errors import rejected
from virtcim.providers.parameters.allocation_ranges import AllocationRange
from virtcim.providers.parameters.units import Unit, UnitError, parse_unit

__all__ = ["SettingReader"]

_MAX_SHOWN = 120
# The properties that can say in what unit a quantity is.
_LIMIT_UNITS = ("AllocationUnits",)
_QUANTITY_UNITS = ("VirtualQuantityUnits", "AllocationUnits", "VirtualResourceBlockSize")


class SettingReader:
    """The properties of one embedded instance, taken one by one.

    ``where`` is the parameter that holds the instance ("ResourceSettings[1]"). Everything raises
    CimError (ERR_BAD_PARAMETER) that names parameter, property and value.
    """

    def __init__(self, record: Record, where: str) -> None:
        self.class_name = record.class_name
        self.where = where
        self._values = {
            name.lower(): (name, value)
            for name, value in record.values.items()
            if value is not None and value != []
        }
        self._taken: dict[str, Value] = {}

    def has(self, name: str) -> bool:
        """Whether a property is given and was not taken yet."""
        return name.lower() in self._values

    def take_rest(self) -> dict[str, Value]:
        """Take everything that nobody took yet."""
        rest: dict[str, Value] = dict(self._values.values())
        self._values.clear()
        return rest

    def text(self, name: str) -> str:
        """A string property; empty where it is not given."""
        value = self._take(name)
        if value is None:
            return ""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, ObjectPath):
            return path_text(value)
        if not isinstance(value, str):
            raise self.refuse(name, value, "must be a string")
        if "\0" in value:
            raise self.refuse(name, value, "holds a NUL character")
        return value.strip()

    def label(self, name: str) -> str:
        """A text of one line that is shown beside others, empty where it is not given."""
        _, value = self._values.get(name.lower(), ("", None))
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and (fault := label_fault(text)):
                raise self.refuse(name, text, fault)
        return self.text(name)

    def texts(self, name: str) -> list[str]:
        """A string array; one string is an array of one."""
        value = self._take(name)
        items: Iterable[object] = value if isinstance(value, list) else [value]
        found: list[str] = []
        for item in items:
            if item is None:
                continue
            if not isinstance(item, str):
                raise self.refuse(name, value, "must be an array of strings")
            found.append(item.strip())
        return found

    def number(self, name: str) -> int | None:
        """An unsigned number, also as decimal text; None where it is not given."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = self._read(name, "uint64", value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
            raise self.refuse(name, value, "must be an unsigned number")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """A boolean, also as 0 or 1 or text; None where it is not given."""
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and value in (0, 1):
            return bool(value)
        if isinstance(value, str):
            return self._read(name, "boolean", value) is True
        raise self.refuse(name, value, "must be a boolean")

    def unit(self, name: str) -> Unit | None:
        """A unit; None where it is not given."""
        value = self.text(name)
        if not value:
            return None
        try:
            return parse_unit(value)
        except UnitError as error:
            raise rejected(f"{self.where}.{name}: {error}") from error

    def quantity(self, name: str, unit: Unit, base: str) -> int | None:
        """A number of ``unit`` in whole ``base`` units; None where it is not given."""
        number = self.number(name)
        if number is None:
            return None
        if unit.base != base:
            raise rejected(
                f"{self.where}.{name}: a quantity of {unit.base} cannot be used, it must be {base}"
            )
        total = Fraction(number) * unit.multiple
        if total.denominator != 1 or total >= 2**64:
            raise self.refuse(name, number, f"is no whole number of {base} below 2^64")
        return int(total)

    def check_range(
        self,
        name: str,
        amount: int,
        possible: AllocationRange,
        present: Collection[int] = (),
    ) -> None:
        """Refuse an amount of a quantity that was read, unless it can be had.

        What there is already (``present``) can be had again.
        """
        objection = possible.objection(amount, present)
        if not objection:
            return
        number = self._taken.get(name.lower(), amount)
        given = [
            f"{unit} {self._taken[unit.lower()]!r}"
            for unit in (_LIMIT_UNITS if name == "Limit" else _QUANTITY_UNITS)
            if unit.lower() in self._taken
        ]
        units = ", ".join(given) or f"{_QUANTITY_UNITS[0]} not given: {possible.units}"
        total = "" if number == amount else f", that is {amount} {possible.units},"
        raise rejected(f"{self.where}.{name}: {number} ({units}){total} {objection}")

    def accept(self, name: str, *allowed: object) -> None:
        """Take a property whose only acceptable values are what happens anyway."""
        value = self._take(name)
        if value is not None and value not in allowed:
            wanted = ", ".join(map(str, allowed))
            raise self.refuse(name, value, f"cannot be applied here; possible is {wanted}")

    def ignore(self, *names: str) -> None:
        """Take properties that say nothing about what is to be made."""
        for name in names:
            self._take(name)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name, value in self._values.values():
            raise self.refuse(name, value, "is not known here or cannot be applied")

    def refuse(self, name: str, value: object, why: str) -> CimError:
        """The error that names parameter, property and value."""
        return rejected(f"{self.where}.{name}: {_shown(value)} {why}")

    def _read(self, name: str, type_name: str, text: str) -> Scalar:
        try:
            return read_value(type_name, text)
        except ValueError as error:
            raise self.refuse(name, text, f"is no {type_name}: {error}") from error

    def _take(self, name: str) -> Value:
        _, value = self._values.pop(name.lower(), ("", None))
        if value is not None:
            self._taken[name.lower()] = value
        return value


def _shown(value: object) -> str:
    if isinstance(value, (datetime, timedelta)):
        return str(value)
    text = path_text(value) if isinstance(value, ObjectPath) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
