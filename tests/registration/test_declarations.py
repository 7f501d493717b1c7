"""The classes that a server is given: what they need, in which order, and as which MOF."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pywbem import (
    CIMClass,
    CIMMethod,
    CIMParameter,
    CIMProperty,
    CIMQualifier,
    CIMQualifierDeclaration,
)
from pywbem_mock import FakedWBEMConnection

from virtcim.mof import Schema, load_schema
from virtcim.registration import UnknownClassError, model
from virtcim.registration.carrying import carried, carried_namespaces, never_filled_in
from virtcim.registration.class_differences import class_differences
from virtcim.registration.local_declarations import local_declaration
from virtcim.registration.mof_texts import classes_mof, qualifiers_mof
from virtcim.registration.needed_classes import needed_classes

_LETTERS = "ABCDEFGH"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema()


def _named_by_properties(declared: CIMClass) -> set[str]:
    return {one.reference_class for one in declared.properties.values() if one.reference_class}


def test_each_class_stands_behind_its_superclass_and_what_its_properties_name(
    schema: Schema,
) -> None:
    for classes in model(schema, ("root/virt",), "root/interop").classes.values():
        seen: set[str] = set()
        for declared in classes:
            needed = {declared.superclass} if declared.superclass else set()
            needed |= _named_by_properties(declared) - {declared.classname}
            assert needed <= seen, declared.classname
            seen.add(declared.classname)


@st.composite
def _schemas(draw: st.DrawFn) -> Schema:
    """Classes of which each derives from an earlier one; methods name any."""
    classes: list[CIMClass] = []
    for number, letter in enumerate(_LETTERS):
        earlier = st.sampled_from(_LETTERS[:number]) if number else st.none()
        superclass = draw(st.none() | earlier)
        end = draw(st.none() | earlier)
        named = draw(st.none() | st.sampled_from(_LETTERS))
        properties = {}
        if end is not None:
            properties["End"] = CIMProperty(
                "End", None, type="reference", reference_class=f"X_{end}"
            )
        methods = {}
        if named is not None:
            parameter = CIMParameter("Given", "reference", reference_class=f"X_{named}")
            methods["Do"] = CIMMethod("Do", "uint32", parameters=[parameter])
        classes.append(
            CIMClass(
                f"X_{letter}",
                superclass=None if superclass is None else f"X_{superclass}",
                properties=properties,
                methods=methods,
            )
        )
    return Schema(draw(st.permutations(classes)), [])


@given(_schemas(), st.lists(st.sampled_from(_LETTERS), min_size=1))
def test_any_classes_come_with_all_that_they_need_and_in_order(
    schema: Schema, wanted: list[str]
) -> None:
    names = [f"X_{letter}" for letter in wanted]
    ordered = [one.classname for one in needed_classes(schema, names)]
    assert len(set(ordered)) == len(ordered)
    assert set(names) <= set(ordered)
    for place, name in enumerate(ordered):
        declared = schema.classes[name.lower()]
        before = _named_by_properties(declared)
        before |= {declared.superclass} if declared.superclass else set()
        assert before <= set(ordered[:place])
        for method in declared.methods.values():
            assert method.parameters["Given"].reference_class in ordered


def test_classes_that_methods_name_stand_first_where_that_is_possible() -> None:
    gives = CIMMethod(
        "Get",
        "uint32",
        parameters=[
            CIMParameter(
                "Error", "string", qualifiers=[CIMQualifier("EmbeddedInstance", "X_Error")]
            )
        ],
    )
    schema = Schema([CIMClass("X_A", methods=[gives]), CIMClass("X_Error")], [])
    assert [one.classname for one in needed_classes(schema, ("X_A",))] == ["X_Error", "X_A"]


def test_a_class_that_is_nowhere_is_named() -> None:
    schema = Schema([CIMClass("X_B", superclass="X_A"), CIMClass("X_A")], [])
    with pytest.raises(UnknownClassError, match="no class X_Other"):
        needed_classes(schema, ("X_Other",))


def _facts(declared: CIMClass) -> object:
    """What a class is altogether."""
    return (
        declared.superclass,
        _values(declared.qualifiers),
        {
            one.name: (
                *(one.type, one.is_array, one.reference_class, one.value),
                _values(one.qualifiers),
            )
            for one in declared.properties.values()
        },
        {
            one.name: (
                one.return_type,
                _values(one.qualifiers),
                *(
                    (
                        *(each.name, each.type, each.is_array, each.reference_class),
                        _values(each.qualifiers),
                    )
                    for each in one.parameters.values()
                ),
            )
            for one in declared.methods.values()
        },
    )


def _values(qualifiers: dict[str, CIMQualifier]) -> dict[str, object]:
    return {name.lower(): one.value for name, one in qualifiers.items()}


def test_what_is_generated_compiles_into_the_very_same_classes(schema: Schema) -> None:
    for namespace, classes in model(schema, ("root/virt",), "root/interop").classes.items():
        server = FakedWBEMConnection(default_namespace=namespace)
        server.compile_mof_string(qualifiers_mof(schema.qualifiers.values()))
        local = [
            local_declaration(
                one,
                schema.find(one.superclass) if one.superclass else None,
                schema.qualifiers,
            )
            for one in classes
        ]
        server.compile_mof_string(classes_mof(local))
        compiled = server.cimrepository.get_class_store(namespace)
        for one in classes:
            there = compiled.get(one.classname, copy=False)
            assert _facts(there) == _facts(one), one.classname
            assert class_differences(one, one, there) == ()


def test_no_string_of_a_server_begins_a_comment(schema: Schema) -> None:
    for classes in model(schema, ("root/virt",), "root/interop").classes.values():
        assert not re.search(r"//|/\*", classes_mof(classes))


@given(st.text(alphabet='ab /*"\\\n', max_size=30))
def test_a_description_is_read_as_it_was_written(text: str) -> None:
    declaration = CIMQualifierDeclaration(
        "Description", "string", scopes={"CLASS": True}, translatable=True
    )
    server = FakedWBEMConnection(default_namespace="root/x")
    server.compile_mof_string(qualifiers_mof([declaration]))
    declared = CIMClass("X_A", qualifiers=[CIMQualifier("Description", text)])
    server.compile_mof_string(classes_mof([declared]))
    assert server.GetClass("X_A").qualifiers["Description"].value == text


def _awkward() -> CIMClass:
    """A class with all that a server may not carry."""
    good = CIMMethod("Good", "uint32", parameters=[CIMParameter("Reference", "string")])
    bad = CIMMethod("Bad", "uint32", parameters=[CIMParameter("Ref", "string")])
    return CIMClass(
        "X_A",
        properties=[
            CIMProperty("Name", None, type="string"),
            CIMProperty("Other", None, type="reference", reference_class="X_B"),
            CIMProperty(
                "Inner",
                None,
                type="string",
                qualifiers=[CIMQualifier("EmbeddedInstance", "X_B")],
            ),
        ],
        methods=[good, bad],
    )


def test_pegasus_is_given_no_reference_outside_an_association_and_no_parameter_called_ref() -> None:
    left, findings = carried("pegasus", _awkward())
    assert list(left.properties) == ["Name", "Inner"]
    assert list(left.methods) == ["Good"]
    assert [one.name for one in findings] == ["X_A.Other", "X_A.Bad(Ref)"]
    assert never_filled_in("pegasus", _awkward()) == ()


def test_sfcb_is_given_references_and_never_shows_embedded_instances() -> None:
    left, findings = carried("sfcb", _awkward())
    assert list(left.properties) == ["Name", "Other", "Inner"]
    assert [one.name for one in findings] == ["X_A.Bad(Ref)"]
    assert [one.name for one in never_filled_in("sfcb", _awkward())] == ["X_A.Inner"]


def test_an_association_keeps_its_references() -> None:
    declared = _awkward()
    declared.qualifiers["Association"] = CIMQualifier("Association", True)
    assert "Other" in carried("pegasus", declared)[0].properties


def test_namespaces_that_pegasus_cannot_have_are_told() -> None:
    names = ("root/virt", "root/virt/a-b", "root/virt/a_b", "root/virt/1")
    good, findings = carried_namespaces("pegasus", names)
    assert good == ("root/virt", "root/virt/a_b")
    assert [one.name for one in findings] == ["root/virt/a-b", "root/virt/1"]
    assert carried_namespaces("sfcb", names) == (names, ())


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (CIMClass("X_A", superclass="X_C"), "its superclass is X_C, not X_B"),
        (CIMClass("X_A", superclass="X_B"), "it has no property Name"),
        (
            CIMClass(
                "X_A",
                superclass="X_B",
                properties=[CIMProperty("Name", None, type="uint8", class_origin="X_A")],
            ),
            "its property Name is `uint8`, not `key string`",
        ),
        (
            CIMClass(
                "X_A",
                superclass="X_B",
                properties=[CIMProperty("More", None, type="uint8", class_origin="X_A")],
            ),
            "it has a further property More",
        ),
    ],
)
def test_a_difference_is_told(there: CIMClass, told: str) -> None:
    key = CIMQualifier("Key", True)
    wanted = CIMClass(
        "X_A",
        superclass="X_B",
        properties=[CIMProperty("Name", None, type="string", qualifiers=[key])],
    )
    assert told in class_differences(wanted, wanted, there)
