"""MOF that the compilers of all CIM servers read: classes, qualifiers and instances.

sfcb's preprocessor takes ``//`` and ``/*`` within a string for comments unless the string begins
its line, so that none is written: MOF joins the strings that stand beside each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pywbem import CIMClass, CIMQualifierDeclaration

__all__ = ["classes_mof", "instance_mof", "qualifiers_mof"]

_COMMENT = re.compile(r"/(?=[/*])")


def classes_mof(declared: Iterable[CIMClass]) -> str:
    """Class declarations, in the order in which they are given."""
    return "\n".join(_without_comments(each.tomof()) for each in declared)


def qualifiers_mof(declared: Iterable[CIMQualifierDeclaration]) -> str:
    """Qualifier declarations."""
    return "\n".join(_without_comments(each.tomof()) for each in declared)


def instance_mof(class_name: str, values: Mapping[str, str | int | list[str] | list[int]]) -> str:
    """One instance; its strings hold neither quotation marks nor backslashes."""
    lines = "".join(f"   {name} = {_value(value)};\n" for name, value in values.items())
    return f"instance of {class_name} {{\n{lines}}};\n"


def _value(value: str | int | list[str] | list[int]) -> str:
    if isinstance(value, list):
        return f"{{ {', '.join(map(_value, value))} }}"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _without_comments(mof: str) -> str:
    return _COMMENT.sub('/" "', mof)
