"""Class declarations as CIM-XML: what pywbem, an independent writer, writes of the same classes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from virtcim.cim.cimxml.classes import ClassEncoder, ClassSelection
from virtcim.mof import Schema, load_schema

_TEXT = re.compile(r">[^<]*<")
_EMPTY_ELEMENT = re.compile(r"<([A-Z.]+)(\s[^<>]*)?/>")


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


def _written_by_pywbem(declared: Any) -> bytes:
    """With an end tag for every element, as wbemcli needs it.

    From Python 3.13 on its writer leaves quotes in texts as they are.
    """
    written = _EMPTY_ELEMENT.sub(r"<\1\2></\1>", declared.tocimxmlstr())
    return _TEXT.sub(lambda text: text[0].replace('"', "&quot;"), written).encode()


def test_classes_are_written_as_pywbem_writes_them(schema: Schema) -> None:
    encoder = ClassEncoder(schema.classes.__getitem__)
    everything = ClassSelection(local_only=False, class_origin=True)
    # Some of each kind, as all of them take their time.
    for name in sorted(schema.classes)[::7]:
        declared = schema.classes[name]
        assert encoder.declaration(name, everything) == _written_by_pywbem(declared), name


def test_every_qualifier_is_written_as_pywbem_writes_it(schema: Schema) -> None:
    for name, declared in schema.qualifiers.items():
        assert ClassEncoder.qualifier(declared) == _written_by_pywbem(declared), name


def test_what_is_not_wanted_of_a_class_is_left_out(schema: Schema) -> None:
    encoder = ClassEncoder(schema.classes.__getitem__)
    name = "VirtCIM_ComputerSystem"
    local = encoder.declaration(name, ClassSelection()).decode()
    assert 'NAME="StopReason"' in local
    assert 'NAME="ElementName"' not in local
    assert "CLASSORIGIN" not in local
    bare = encoder.declaration(name, ClassSelection(local_only=False, qualifiers=False)).decode()
    assert "<QUALIFIER" not in bare
    assert '<METHOD NAME="RequestStateChange"' in bare
    some = ClassSelection(local_only=False, property_list=frozenset({"elementname"}))
    listed = encoder.declaration(name, some).decode()
    assert re.findall(r'<PROPERTY[^>]* NAME="(\w+)"', listed) == ["ElementName"]


def test_the_text_of_a_class_is_kept(schema: Schema) -> None:
    encoder = ClassEncoder(schema.classes.__getitem__)
    first = encoder.declaration("CIM_System", ClassSelection())
    assert encoder.declaration("cim_system", ClassSelection()) is first
