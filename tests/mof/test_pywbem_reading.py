"""What the compiled schema relies on in modules that pywbem keeps private."""

from __future__ import annotations

from pathlib import Path

import pytest
from pywbem import CIMClass, CIMInstanceName, CIMQualifierDeclaration, Error

from virtcim.mof.pywbem_reading import read_element, read_elements

_ROOT = Path(__file__).parents[2]
_CLASS = (
    b'<CLASS NAME="A" SUPERCLASS="B"><QUALIFIER NAME="Version" TYPE="string"><VALUE>1.0</VALUE>'
    b'</QUALIFIER><PROPERTY NAME="P" TYPE="uint16"><VALUE>7</VALUE></PROPERTY></CLASS>'
)
_QUALIFIER = b'<QUALIFIER.DECLARATION NAME="Key" TYPE="boolean"><SCOPE PROPERTY="true"/>'
_QUALIFIER += b"<VALUE>FALSE</VALUE></QUALIFIER.DECLARATION>"


def test_one_element_is_the_object_that_it_describes() -> None:
    declared = read_element(_CLASS)
    assert isinstance(declared, CIMClass)
    assert (declared.classname, declared.superclass) == ("A", "B")
    assert declared.properties["P"].value == 7
    assert declared.qualifiers["Version"].value == "1.0"
    path = read_element(
        b'<INSTANCENAME CLASSNAME="A"><KEYBINDING NAME="K"><KEYVALUE '
        b'VALUETYPE="string">v</KEYVALUE></KEYBINDING></INSTANCENAME>'
    )
    assert path == CIMInstanceName("A", {"K": "v"})


def test_elements_within_another_are_read_in_their_order() -> None:
    first, second = read_elements(b"<DECLGROUP>" + _QUALIFIER + _CLASS + b"</DECLGROUP>")
    assert isinstance(first, CIMQualifierDeclaration)
    assert first.name == "Key"
    assert isinstance(second, CIMClass)


@pytest.mark.parametrize("document", [b"<CLASS", b"<NOTHING/>", b"", b'<CLASS NAME="A"></B>'])
def test_what_cannot_be_read_is_an_error_of_pywbem(document: bytes) -> None:
    with pytest.raises(Error):
        read_element(document)


def test_nobody_else_uses_a_private_module_of_pywbem() -> None:
    private = ("pywbem._", "from pywbem import _", "pywbem_mock._")
    users = {
        str(path.relative_to(_ROOT))
        for folder in _ROOT.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
        for path in folder.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in private)
    }
    assert users == {"mof/pywbem_reading.py", "tests/mof/test_pywbem_reading.py"}
