"""A request of a known shape is the one that reading it from the beginning gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cimserver.serving import intrinsic, method
from virtcim.cim.cimxml.elements import MessageLimits
from virtcim.cim.cimxml.request_shapes import RequestReader
from virtcim.cim.cimxml.requests import Request, read_request
from virtcim.cim.errors import CimXmlError

_LIMITS = MessageLimits()
_NAME = (
    '<INSTANCENAME CLASSNAME="VirtCIM_ComputerSystem"><KEYBINDING NAME="Name">'
    '<KEYVALUE VALUETYPE="string">{}</KEYVALUE></KEYBINDING></INSTANCENAME>'
)
_LIST = "<VALUE.ARRAY><VALUE>{}</VALUE><VALUE/><VALUE></VALUE></VALUE.ARRAY>"
_READ = intrinsic("GetInstance", InstanceName=_NAME, PropertyList=_LIST)
_CALLED = method("Echo", _NAME, S_string="<VALUE>{}</VALUE>", S_uint8="<VALUE>1</VALUE>")
_MESSAGES = [_READ, _CALLED]


def _message(form: str, values: tuple[str, str], message_id: str = "1") -> bytes:
    return form.format(*values).replace('ID="1"', f'ID="{message_id}"').encode()


def _read(data: bytes) -> Request | tuple[str, int]:
    try:
        return read_request(data, _LIMITS)
    except CimXmlError as error:
        return error.detail, error.status_hint


def _read_by(reader: RequestReader, data: bytes) -> Request | tuple[str, int]:
    try:
        return reader.read(data)
    except CimXmlError as error:
        return error.detail, error.status_hint


def _knowing(form: str) -> RequestReader:
    """A reader that has seen the shape often enough."""
    reader = RequestReader(_LIMITS)
    for number in range(3):
        reader.read(_message(form, (f"a{number}", f"b{number}"), str(number)))
    return reader


# What is the end of a value, of a message, or of what this module takes for one.
_ODD = (
    "",
    "a>b",
    ">",
    "a</VALUE><VALUE>b",
    "a<!-- > -->b",
    "<!-- >x</VALUE> -->",
    "<![CDATA[x>y]]>",
    "<![CDATA[>y</VALUE>]]>",
    "&lt;INSTANCE/&gt;",
    "a&#13;b",
    "a]]>b",
    "a\rb",
    "a\r\nb",
    "a\x00b",
    "a\x0bb",
    "\x7f",
    "\ufffe",
    "\u00e4",
    "\uf8ff",
    "\uf8ff0\uf8ff",
    "\uf8ff1\uf8ff",
    "</KEYVALUE>",
    "<X/>after",
    "before<X/>",
    "<VALUE>x</VALUE>",
    "<?pi x>y</VALUE> ?>z",
    '1" ID="2',
)


@pytest.mark.parametrize("form", _MESSAGES, ids=["intrinsic", "method"])
@pytest.mark.parametrize("odd", _ODD)
def test_odd_values_are_read_as_if_the_shape_were_new(form: str, odd: str) -> None:
    for values, message_id in (((odd, "b"), "1"), (("a", odd), "1"), (("a", "b"), odd)):
        reader, data = _knowing(form), _message(form, values, message_id)
        assert [_read_by(reader, data) for _ in range(4)] == [_read(data)] * 4
        # What was seen of it does no harm to others either.
        again = _message(form, (f"x{odd}", "y"), "7")
        assert [_read_by(reader, again) for _ in range(4)] == [_read(again)] * 4


_VALUE = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.text('ab<>&"/= \t\r\n!-[]?;\uf8ff\x00', max_size=8),
    st.sampled_from(_ODD),
)


@pytest.mark.parametrize("form", _MESSAGES, ids=["intrinsic", "method"])
@given(values=st.tuples(_VALUE, _VALUE), message_id=_VALUE)
def test_any_values_are_read_as_if_the_shape_were_new(
    form: str, values: tuple[str, str], message_id: str
) -> None:
    reader, data = _knowing(form), _message(form, values, message_id)
    expected = _read(data)
    # Also when it has come often enough to be of a known shape itself.
    assert [_read_by(reader, data) for _ in range(4)] == [expected] * 4
    again = _message(form, ("x", "y"), "7")
    assert _read_by(reader, again) == _read(again)


@given(st.data())
def test_a_message_with_a_piece_cut_out_or_doubled_is_read_as_if_it_were_new(
    data: st.DataObject,
) -> None:
    form = data.draw(st.sampled_from(_MESSAGES))
    good = _message(form, ("a>b", "b"))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(start + 40, len(good))))
    middle = data.draw(st.sampled_from([b"", good[start:end] * 2]))
    changed = good[:start] + middle + good[end:]
    reader = _knowing(form)
    assert [_read_by(reader, changed) for _ in range(3)] == [_read(changed)] * 3


def test_a_value_that_ends_with_the_wrong_tag_is_refused_though_the_rest_is_known() -> None:
    wrong = _message(_READ, ("a", "b")).replace(b"b</VALUE>", b"b</KEYVALUE>")
    with pytest.raises(CimXmlError, match="mismatched tag"):
        _knowing(_READ).read(wrong)


def test_a_known_shape_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = _knowing(_READ)
    expected = read_request(_message(_READ, ("new", "values"), "77"), _LIMITS)

    def refuse(*_: object) -> Request:
        raise AssertionError("read from the beginning")

    monkeypatch.setattr("virtcim.cim.cimxml.request_shapes.read_request", refuse)
    assert reader.read(_message(_READ, ("new", "values"), "77")) == expected


def test_two_requests_of_one_shape_share_nothing_that_differs() -> None:
    reader = _knowing(_READ)
    one = reader.read(_message(_READ, ("one", "x")))
    other = reader.read(_message(_READ, ("other", "y")))
    assert one == read_request(_message(_READ, ("one", "x")), _LIMITS)
    assert other == read_request(_message(_READ, ("other", "y")), _LIMITS)


def test_no_more_shapes_are_known_than_fit() -> None:
    reader = RequestReader(_LIMITS, most_shapes=10, most_bytes=2000)
    for number in range(100):
        for _ in range(3):
            data = intrinsic("GetClass", ClassName=f'<CLASSNAME NAME="C{number}"/>').encode()
            assert reader.read(data) == read_request(data, _LIMITS)
    long = _message(_READ, ("x" * 2000, "y"))
    for _ in range(3):
        assert reader.read(long) == read_request(long, _LIMITS)
    assert 0 < len(reader._templates) <= 10
    assert all(sum(map(len, shape)) < 2000 for shape in reader._templates)


def test_limits_hold_for_what_is_of_a_known_shape() -> None:
    small = _message(_READ, ("x", "y"))
    limits = MessageLimits(size_bytes=len(small))
    reader = RequestReader(limits)
    for _ in range(3):
        assert reader.read(small) == read_request(small, limits)
    with pytest.raises(CimXmlError, match="at most"):
        reader.read(_message(_READ, ("xx", "y")))
