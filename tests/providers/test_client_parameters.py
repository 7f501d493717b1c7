"""Parameters as real clients write them: pywbem's own CIM-XML and MOF, units, NULL, targets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import pywbem
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST
from tests.providers.unknown_classes import UNKNOWN
from virtcim.providers import CimError, ObjectPath, Providers, Record
from virtcim.providers.parameters.embedded import read_instance
from virtcim.providers.parameters.setting_reader import SettingReader
from virtcim.providers.parameters.units import parse_unit

SETTING = "VirtCIM_MemoryResourceAllocationSettingData"
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=300).filter(
    lambda text: not set(text) & {"\ufffe", "\uffff"}
)


def integers(kind: type[pywbem.CIMInt]) -> st.SearchStrategy[pywbem.CIMInt]:
    return st.integers(kind.minvalue, kind.maxvalue).map(kind)


UINT64, SINT32 = integers(pywbem.Uint64), integers(pywbem.Sint32)
SCALARS = st.one_of(TEXT, UINT64, SINT32, integers(pywbem.Uint16), st.booleans())
ARRAYS = st.one_of(*(st.lists(each, min_size=1, max_size=3) for each in (TEXT, UINT64, SINT32)))
PROPERTIES = st.dictionaries(NAMES, st.one_of(SCALARS, ARRAYS), max_size=6).filter(
    lambda values: len({name.lower() for name in values}) == len(values)
)


def instance(values: dict[str, Any], absent: str = "") -> pywbem.CIMInstance:
    """The instance with one NULL property besides, unless that is not to be there at all."""
    made = pywbem.CIMInstance("CIM_ResourceAllocationSettingData", values)
    if absent not in values:
        made.properties[absent or "Nothing"] = pywbem.CIMProperty(
            absent or "Nothing", None, type="uint64"
        )
    return made


@given(PROPERTIES)
def test_what_pywbem_writes_as_xml_is_read_as_it_was(values: dict[str, Any]) -> None:
    record = read_instance(UNKNOWN, instance(values).tocimxmlstr(), "Settings")
    assert record.class_name == "CIM_ResourceAllocationSettingData"
    assert record.values == {"Nothing": None, **values}


@given(PROPERTIES)
def test_what_pywbem_writes_as_mof_is_read_as_it_was(values: dict[str, Any]) -> None:
    record = read_instance(UNKNOWN, instance(values).tomof(), "Settings")
    assert record.values == {"Nothing": None, **values}


def test_xml_with_all_that_clients_put_around_it_is_read() -> None:
    named = instance({"VirtualQuantity": pywbem.Uint64(5)})
    named.path = pywbem.CIMInstanceName(
        "CIM_ResourceAllocationSettingData", {"InstanceID": "x"}, namespace="root/virt"
    )
    for text in (
        named.tocimxmlstr(),
        named.tocimxmlstr(indent=4),
        f'<?xml version="1.0" encoding="utf-8"?>\n{named.tocimxmlstr()}',
        named.tocimxmlstr().replace("5</VALUE>", "<![CDATA[5]]></VALUE>"),
    ):
        assert read_instance(UNKNOWN, text, "Settings").values["VirtualQuantity"] == 5


@pytest.mark.parametrize(
    "text",
    [
        "INSTANCE OF {name} {{ VirtualQuantity = 5; }};",
        "instance of {name} as $Memory {{ VirtualQuantity = 5; }};",
        "instance of {name} As $m1 {{\n\tVirtualQuantity=0x5;\r\n}}",
        "\n\n/* from a script */ instance of {name} {{ VirtualQuantity = 101b; }} ;\n",
    ],
)
def test_mof_as_people_write_it_is_read(text: str) -> None:
    record = read_instance(UNKNOWN, text.format(name=SETTING), "Settings")
    assert (record.class_name, record.values) == (SETTING, {"VirtualQuantity": 5})


@pytest.mark.parametrize("text", ["as {{ }};", "as 5 {{ }};", "$m {{ }};", "as $m $n {{ }};"])
def test_an_alias_in_the_wrong_place_is_refused(text: str) -> None:
    written = f"instance of {SETTING} {text}".replace("{{", "{").replace("}}", "}")
    with pytest.raises(CimError, match="ERR_BAD_PARAMETER: Settings: the text is no MOF instance"):
        read_instance(UNKNOWN, written, "Settings")


@pytest.mark.parametrize(
    ("null", "absent"),
    [
        ('<INSTANCE CLASSNAME="X"><PROPERTY NAME="Limit" TYPE="uint64"/></INSTANCE>',
         '<INSTANCE CLASSNAME="X"/>'),
        ("instance of X { Limit = NULL; };", "instance of X { };"),
        (Record("X", {"Limit": None}), Record("X", {})),
    ],
)  # fmt: skip
def test_null_and_absent_are_told_apart_and_neither_asks_for_anything(
    null: str | Record, absent: str | Record
) -> None:
    assert read_instance(UNKNOWN, null, "Settings").values == {"Limit": None}
    assert read_instance(UNKNOWN, absent, "Settings").values == {}
    for given_value in (null, absent):
        reader = SettingReader(read_instance(UNKNOWN, given_value, "Settings"), "Settings")
        assert reader.number("Limit") is None
        reader.finish()


@given(
    st.sampled_from(
        [
            *(("byte", 0), ("Bytes", 0), ("B", 0)),
            *(("KiloBytes", 10), ("KB", 10), ("KiB", 10), ("kibibyte", 10), ("kibibytes", 10)),
            *(("MegaBytes", 20), ("MB", 20), ("MiB", 20), ("mebibyte", 20), ("mebibytes", 20)),
            *(("GigaBytes", 30), ("GB", 30), ("GiB", 30), ("gibibyte", 30), ("gibibytes", 30)),
            *(("TeraBytes", 40), ("TB", 40), ("TiB", 40), ("tebibyte", 40), ("tebibytes", 40)),
        ]
    ),
    st.sampled_from([str, str.upper, str.lower, str.swapcase]),
    st.sampled_from(["{}", " {}", "{}\t"]),
)
def test_every_spelling_of_a_binary_multiple_is_the_same(
    spelling: tuple[str, int], case: Any, form: str
) -> None:
    text, exponent = spelling
    unit = parse_unit(form.format(case(text)))
    assert unit == parse_unit(f"byte*2^{exponent}") == parse_unit(f"byte * {2**exponent}")
    assert unit == ("byte", 2**exponent)


@given(st.integers(1, 2**20), st.sampled_from(["byte*2^10", "KiloBytes", "KB", "byte * 1024"]))
def test_the_unit_and_the_number_make_the_amount(number: int, unit: str) -> None:
    reader = SettingReader(
        Record(SETTING, {"VirtualQuantity": number, "AllocationUnits": unit}), "Settings"
    )
    parsed = reader.unit("AllocationUnits")
    assert parsed is not None
    assert reader.quantity("VirtualQuantity", parsed, "byte") == number * 1024
    assert parsed.multiple == Fraction(1024)


SERVICE = "VirtualSystemManagementService"


def targets() -> list[ObjectPath]:
    keys = {
        "SystemCreationClassName": "VirtCIM_HostSystem",
        "SystemName": HOST.uuid,
        "CreationClassName": f"VirtCIM_{SERVICE}",
        "Name": SERVICE,
    }
    return [
        ObjectPath(class_name, given_keys, namespace="root/virt")
        for class_name in (f"VirtCIM_{SERVICE}", f"CIM_{SERVICE}", "cim_service")
        for given_keys in ({}, keys)
    ]


@pytest.mark.parametrize("target", targets(), ids=repr)
@pytest.mark.parametrize("form", ["typed", "xml", "mof"])
def test_every_form_of_an_instance_is_taken_by_every_form_of_the_target(
    endpoint: SimulatedEndpoint, providers: Providers, target: ObjectPath, form: str
) -> None:
    typed = Record("CIM_VirtualSystemSettingData", {"ElementName": "fresh", "Description": None})
    written = pywbem.CIMInstance("CIM_VirtualSystemSettingData", {"ElementName": "fresh"})
    settings = {"typed": typed, "xml": written.tocimxmlstr(), "mof": written.tomof()}[form]
    memory = pywbem.CIMInstance(
        "CIM_ResourceAllocationSettingData",
        {
            "ResourceType": pywbem.Uint16(4),
            "VirtualQuantity": pywbem.Uint64(64),
            "AllocationUnits": "MegaBytes",
        },
    )
    resources = [memory.tomof() if form == "mof" else memory.tocimxmlstr()]
    result = providers.invoke_method(
        target,
        "DefineSystem",
        {"SystemSettings": settings, "ResourceSettings": resources, "ReferenceConfiguration": None},
    )
    assert result.return_value == 0
    [spec] = endpoint.defined
    assert (spec.name_label, spec.memory_static_max_bytes) == ("fresh", 64 * 2**20)


def test_a_target_that_is_not_there_is_not_found_and_one_without_the_method_says_so(
    providers: Providers,
) -> None:
    missing = targets()[1]
    keys = {**dict(missing.keys), "SystemName": "nobody"}
    for path, status_code in (
        (ObjectPath(missing.class_name, keys, namespace="root/virt"), 6),
        (ObjectPath("VirtCIM_MemoryPool", namespace="root/virt"), 16),
        (ObjectPath("VirtCIM_NoSuchClass", namespace="root/virt"), 5),
        (ObjectPath(missing.class_name, namespace="root/nowhere"), 3),
    ):
        with pytest.raises(CimError) as refused:
            providers.invoke_method(path, "DefineSystem", {"SystemSettings": "x"})
        assert refused.value.status_code == status_code
