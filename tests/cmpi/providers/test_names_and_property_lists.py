"""What only a CIM server asks: names alone, and some of the properties."""

from __future__ import annotations

import pytest

from tests.cmpi.providers.client import Client
from tests.cmpi.providers.test_conformance import systems
from tests.providers.test_conformance import SERVED, populated
from virtcim.cim.records import Record
from virtcim.mof import Schema

__all__ = ["populated", "systems"]


@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_names_are_those_of_the_instances(
    populated: Client, namespace: str, class_name: str
) -> None:
    found = populated.enumerate_instance_names(namespace, class_name)
    assert found == [each.path for each in populated.enumerate_instances(namespace, class_name)]


@pytest.mark.parametrize("wanted", ["every other", "none"])
@pytest.mark.parametrize(("namespace", "class_name"), SERVED)
def test_of_a_property_list_there_is_what_it_names_and_the_keys(
    populated: Client, schema: Schema, namespace: str, class_name: str, wanted: str
) -> None:
    declared = schema.find(class_name)
    assert declared is not None
    names = [*declared.properties][::2] if wanted == "every other" else []
    # Servers make instances of their names, which have the keys.
    keys = [each.name for each in declared.properties.values() if "Key" in each.qualifiers]
    shown = {*names, *keys}

    def some(record: Record) -> tuple[object, object]:
        return record.path, {name: value for name, value in record.values.items() if name in shown}

    whole = populated.enumerate_instances(namespace, class_name)
    # Names of properties have no case.
    listed = [name.upper() for name in names]
    found = populated.enumerate_instances(namespace, class_name, listed)
    assert [(each.path, each.values) for each in found] == [some(each) for each in whole]
    for each in whole[:1]:
        assert each.path is not None
        one = populated.get_instance(each.path, listed)
        assert (one.path, one.values) == some(each)
