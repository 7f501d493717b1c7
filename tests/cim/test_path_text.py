"""Object paths as text: what is written is read back, and any text is a path or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.path_text import path_text, read_path_text
from virtcim.cim.records import KeyValue, ObjectPath

_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
_VALUES: st.SearchStrategy[KeyValue] = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(max_size=12)
)
_PATHS = st.builds(
    lambda name, keys, namespace: ObjectPath(name, keys, namespace=namespace),
    _NAMES,
    st.dictionaries(_NAMES, _VALUES, max_size=3).filter(
        lambda keys: len({name.lower() for name in keys}) == len(keys)
    ),
    st.sampled_from(["", "root/virt", "root/virt/one"]),
)


@given(_PATHS)
def test_a_path_is_read_as_it_was_written(path: ObjectPath) -> None:
    read = read_path_text(path_text(path))
    assert read == path
    assert read.keys == path.keys


@given(_PATHS)
def test_a_path_among_the_keys_is_its_text(path: ObjectPath) -> None:
    read = read_path_text(path_text(ObjectPath("A", {"Antecedent": path})))
    inner = read.key("antecedent")
    assert inner == path_text(path)
    assert read_path_text(str(inner)) == path


@given(st.text(max_size=40) | st.text(alphabet="root/:.C=\"\\'=,05TRUE", max_size=40))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = read_path_text(text)
    except ValueError:
        return
    assert read_path_text(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("CIM_X", ObjectPath("CIM_X")),
        ("root/virt:CIM_X", ObjectPath("CIM_X", namespace="root/virt")),
        ("/root/virt:CIM_X", ObjectPath("CIM_X", namespace="root/virt")),
        ("//host/root/virt:CIM_X.N=1", ObjectPath("CIM_X", {"N": 1}, namespace="root/virt")),
        ("http://h:5988/a/b:CIM_X.N=1", ObjectPath("CIM_X", {"N": 1}, namespace="a/b")),
        ('CIM_X.A="a,b=\\"c\\"",B=0x1F', ObjectPath("CIM_X", {"A": 'a,b="c"', "B": 31})),
        ("CIM_X.A=true,B=-5", ObjectPath("CIM_X", {"A": True, "B": -5})),
        ("CIM_X.A='x'", ObjectPath("CIM_X", {"A": "x"})),
    ],
)
def test_the_forms_that_clients_send_are_read(text: str, path: ObjectPath) -> None:
    assert read_path_text(text) == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an object path is"),
        ("root:", "an object path is"),
        ("C.", "a key is"),
        ("C.A", "a key is"),
        ("C.A=1,", "a key is"),
        ("C.A=b", "neither a number nor"),
        ("C.A=1.5", "neither a number nor"),
        ('C.A="x"y', "divided by commas"),
        ('C.A="x', "a key is"),
        ("C.A=1,a=2", "given twice"),
        ("C." + "A" * 70_000, "at most 65536"),
    ],
)
def test_what_is_no_path_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        read_path_text(text)
    assert len(str(refused.value)) < 200
