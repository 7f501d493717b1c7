"""Values to XML-RPC and back, and what is refused on the way."""

from __future__ import annotations

import ast
import importlib
import xmlrpc.client
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtcim.wire import (
    Limits,
    MalformedMessage,
    RemoteFault,
    UnencodableValue,
    decode_call,
    decode_response,
    encode_call,
    encode_fault,
    encode_response,
)
from virtcim.wire.decode import CallDecoder, ResponseDecoder
from virtcim.wire.errors import (
    IntegerOutOfRange,
    MessageTooLarge,
    NotXml,
    NotXmlRpc,
    TruncatedMessage,
)

_CARRIABLE = st.characters(
    codec="utf-8",
    exclude_characters="".join(map(chr, [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])),
)
_TEXTS = st.text(_CARRIABLE)
_TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0))
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS
    | st.binary()
    | _TIMES
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner), max_leaves=20
)


@given(_VALUES)
def test_a_value_survives_the_wire(value: object) -> None:
    assert decode_response(encode_response(value)) == value


@given(st.lists(_VALUES, max_size=4))
def test_a_call_survives_the_wire(params: list[object]) -> None:
    assert decode_call(encode_call("VM.start", params)) == ("VM.start", params)


def _response(content: str) -> bytes:
    return f"<methodResponse><params><param>{content}</param></params></methodResponse>".encode()


# What a message may be damaged with: what looks like elements and is none, and what is refused.
_INSERTIONS = st.sampled_from(
    (
        *(b"", b"<![CDATA[</a></a></a><b/>]]>", b"<!-- </a><a/></a> -->", b"<?a </a> ?>"),
        *(b"</value>", b"<value>", b"<", b"&", b"&amp;", b"x", b" ", b"<!DOCTYPE a>"),
        *(b"\0", b"\xff", b"\xfe", b"\xc3", b"\xe4\xb8", b"\xef\xbb\xbf"),
    )
)
_LIMITS = st.builds(
    Limits,
    max_bytes=st.integers(1, 600) | st.just(2**20),
    max_depth=st.integers(3, 20) | st.just(200),
    max_elements=st.integers(1, 60) | st.just(10**6),
)


@st.composite
def _messages(draw: st.DrawFn) -> tuple[bool, bytes]:
    """Whether it is a call, and the bytes of a message that may be damaged or go on too long."""
    value, is_call = draw(_VALUES), draw(st.booleans())
    message = encode_call("VM.start", [value]) if is_call else encode_response(value)
    for insertion in draw(st.lists(_INSERTIONS, max_size=3)):
        place = draw(st.integers(0, len(message)))
        message = message[:place] + insertion + message[place:]
    return is_call, message[: draw(st.integers(0, len(message)) | st.just(len(message)))]


def _outcome(decoder: CallDecoder | ResponseDecoder, pieces: list[bytes]) -> tuple[object, ...]:
    """What a client gets: a value, or which refusal with which words."""
    try:
        for piece in pieces:
            decoder.feed(piece)
        return "value", decoder.close()
    except (MalformedMessage, RemoteFault) as exc:
        return type(exc), str(exc)


@settings(max_examples=500)
@given(_messages(), _LIMITS, st.lists(st.integers(0, 2000), max_size=5))
def test_cutting_changes_nothing(
    drawn: tuple[bool, bytes], limits: Limits, cuts: list[int]
) -> None:
    is_call, message = drawn
    decoder = CallDecoder if is_call else ResponseDecoder
    whole = _outcome(decoder(limits), [message])
    assert _outcome(decoder(limits), [bytes([one]) for one in message]) == whole
    places = [0, *sorted(cut % (len(message) + 1) for cut in cuts), len(message)]
    pieces = [message[start:end] for start, end in pairwise(places)]
    assert _outcome(decoder(limits), pieces) == whole


@pytest.mark.parametrize("size", [1, 3, 7, 100, 10**6])
@pytest.mark.parametrize("before", [b"<!-- ", b"<?a ", b"<methodResponse a='", b"<methodResponse>"])
def test_the_byte_that_is_no_utf_8_is_named_however_late_expat_sees_it(
    before: bytes, size: int
) -> None:
    # Newer releases of expat do not look at each piece of what is incomplete.
    data = before + b"\xc3\xa4" * 90 + b"\xe4\xb8" + b"x" * 300
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    words = f"not UTF-8: byte 0xe4 at line 1, column {len(before) + 90}"
    assert _outcome(ResponseDecoder(), pieces) == (NotXml, words)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_what_only_looks_like_elements_is_not_counted(size: int) -> None:
    data = _response(f"<value><!-- {'</a>' * 99} --><![CDATA[{'<a/></a>' * 99}]]></value>")
    decoder = ResponseDecoder(Limits(max_elements=4))
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
    assert decoder.close() == "<a/></a>" * 99


@pytest.mark.parametrize("size", [1, 2, 7, 10**6])
def test_elements_are_limited_however_they_arrive(size: int) -> None:
    data = encode_response([""] * 200)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    outcome = _outcome(ResponseDecoder(Limits(max_elements=50)), pieces)
    assert outcome == (MessageTooLarge, "more than 50 elements")


@given(st.recursive(st.text(_CARRIABLE) | st.integers(0, 9) | st.booleans(), st.lists))
def test_the_standard_library_reads_what_we_write(value: object) -> None:
    (read,), _ = xmlrpc.client.loads(encode_response(value), use_builtin_types=True)
    # XML-RPC of the standard library normalises no line ends either.
    assert read == value


@given(st.recursive(st.text(_CARRIABLE) | st.integers(0, 9) | st.booleans(), st.lists))
def test_we_read_what_the_standard_library_writes(value: object) -> None:
    data = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()
    # It writes a bare carriage return, which XML reads as a line feed.
    expected = _without_carriage_returns(value)
    assert decode_response(data) == expected


def _without_carriage_returns(value: object) -> object:
    if isinstance(value, list):
        return [_without_carriage_returns(item) for item in value]
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return value


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_documented_error(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_call(data)
    try:
        decode_response(data)
    except (MalformedMessage, RemoteFault):
        return


@settings(max_examples=300)
@given(_VALUES, st.data())
def test_a_damaged_message_gives_a_value_or_a_documented_error(
    value: object, data: st.DataObject
) -> None:
    message = bytearray(encode_response(value))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    try:
        decode_response(bytes(message))
    except (MalformedMessage, RemoteFault):
        return


@given(_VALUES, st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_recognised(value: object, share: float) -> None:
    data = encode_response(value).rstrip()
    with pytest.raises(TruncatedMessage):
        decode_response(data[: int(share * len(data))])


def test_a_fault_is_raised_with_its_code_and_text() -> None:
    with pytest.raises(RemoteFault) as raised:
        decode_response(encode_fault(3, "nope <&>"))
    assert (raised.value.code, raised.value.string) == (3, "nope <&>")


def test_values_as_other_servers_write_them() -> None:
    data = b"""<?xml version='1.0' encoding='utf-8'?>
        <methodResponse> <params> <param>
        <value><array><data>
            <value>untyped &amp; text</value> <value/> <value><string/></value>
            <value><i4> -7 </i4></value> <value><i8>8589934592</i8></value>
            <value><boolean>1</boolean></value> <value><double>1.5e3</double></value>
            <value><dateTime.iso8601>20240229T23:59:58Z</dateTime.iso8601></value>
            <value><dateTime.iso8601>2024-02-29T23:59:58+02:00</dateTime.iso8601></value>
            <value><dateTime.iso8601>20240229T23:59:58</dateTime.iso8601></value>
            <value><base64> AAEC\n  Aw== </base64></value>
            <value><nil/></value> <value><struct/></value>
            <value><array><data/></array></value> <value><![CDATA[<raw>]]></value>
        </data></array></value></param></params></methodResponse>"""
    utc = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
    assert decode_response(data) == [
        "untyped & text",
        *("", ""),
        *(-7, 2**33, True, 1500.0),
        *(utc, utc.replace(tzinfo=timezone(timedelta(hours=2))), utc),
        b"\x00\x01\x02\x03",
        None,
        *({}, []),
        "<raw>",
    ]


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", TruncatedMessage, "empty"),
        (b"   ", TruncatedMessage, "no element found"),
        (b"<methodResponse><params>", TruncatedMessage, "ends before"),
        (b"<html><body>404</body></html>", NotXmlRpc, "found <html>"),
        (b"Not found", NotXml, "not XML"),
        (b"<methodResponse><params></methodResponse>", NotXml, "mismatched"),
        (b"<methodResponse/>", NotXmlRpc, "lacks"),
        (b"<methodResponse><params/></methodResponse>", NotXmlRpc, "lacks"),
        (_response(""), NotXmlRpc, "lacks"),
        (_response("<value>1</value><value>2</value>"), NotXmlRpc, "<value> is not allowed"),
        (_response("<value>a<int>1</int></value>"), NotXmlRpc, "stray text"),
        (_response("<value><int>1</int>a</value>"), NotXmlRpc, "stray text"),
        (_response("<value><int>1</int><int>2</int></value>"), NotXmlRpc, "<int> is not allowed"),
        (_response("<value><int>2147483648</int></value>"), NotXmlRpc, "exceeds 32 bits"),
        (_response("<value><i8>9223372036854775808</i8></value>"), NotXmlRpc, "exceeds 64"),
        (_response("<value><int>\u0663</int></value>"), NotXmlRpc, "no integer"),
        (_response("<value><int>" + "9" * 5000 + "</int></value>"), NotXmlRpc, "no integer"),
        (_response("<value><boolean>true</boolean></value>"), NotXmlRpc, "no boolean"),
        (_response("<value><double>1_0</double></value>"), NotXmlRpc, "no double"),
        (_response("<value><base64>!</base64></value>"), NotXmlRpc, "base64"),
        (_response("<value><nil>x</nil></value>"), NotXmlRpc, "nil"),
        (
            _response("<value><dateTime.iso8601>yesterday</dateTime.iso8601></value>"),
            NotXmlRpc,
            "no ISO 8601",
        ),
        (
            _response("<value><dateTime.iso8601>20241332T00:00:00</dateTime.iso8601></value>"),
            NotXmlRpc,
            "no possible time",
        ),
        (_response("<value><object/></value>"), NotXmlRpc, "<object> is not allowed"),
        (
            _response("<value><struct><member><value>a</value></member></struct></value>"),
            NotXmlRpc,
            "<value> is not allowed",
        ),
        (
            _response("<value><struct><member><name>a</name></member></struct></value>"),
            NotXmlRpc,
            "lacks",
        ),
        (b"<methodResponse>\xff</methodResponse>", NotXml, "not UTF-8: byte 0xff"),
        ("<methodResponse/>".encode("utf-16"), NotXml, "not UTF-8"),
        (
            b"<?xml version='1.0' encoding='iso-8859-1'?><methodResponse/>",
            NotXml,
            "encoding 'iso-8859-1' is refused",
        ),
        (
            b"<methodResponse><fault><value>x</value></fault></methodResponse>",
            NotXmlRpc,
            "faultCode",
        ),
        (encode_call("a.b", []), NotXmlRpc, "found <methodCall>"),
        (_response("<value>x</value>") * 2, NotXml, "junk after"),
    ],
)
def test_what_is_no_response_is_refused_by_name(
    data: bytes, kind: type[MalformedMessage], said: str
) -> None:
    with pytest.raises(kind) as raised:
        decode_response(data)
    assert type(raised.value) is kind
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        b"<methodCall/>",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><methodName/></methodCall>",
        b"<methodCall><methodName>a b</methodName></methodCall>",
        b"<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
        b"<methodCall><methodName>" + b"a" * 300 + b"</methodName></methodCall>",
    ],
)
def test_a_call_without_a_proper_method_name_is_refused(data: bytes) -> None:
    with pytest.raises(NotXmlRpc):
        decode_call(data)


def test_a_call_without_params_has_none() -> None:
    assert decode_call(b"<methodCall><methodName>a.b</methodName></methodCall>") == ("a.b", [])


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>',
        "<!DOCTYPE a>",
    ],
)
def test_document_type_declarations_are_refused(doctype: str) -> None:
    data = doctype.encode() + _response("<value>&l;</value>")
    with pytest.raises(NotXml, match="document type declarations are refused"):
        decode_response(data)


def test_an_entity_without_declaration_is_refused() -> None:
    with pytest.raises(NotXml, match="undefined entity"):
        decode_response(_response("<value>&nbsp;</value>"))


def test_nesting_is_limited() -> None:
    deep = "<value><array><data>" * 100_000
    with pytest.raises(MessageTooLarge, match="nested deeper than 200"):
        decode_response(f"<methodResponse><params><param>{deep}".encode())


def test_bytes_are_limited_while_they_arrive() -> None:
    decoder = ResponseDecoder(Limits(max_bytes=1000))
    decoder.feed(b"<methodResponse><params><param><value>")
    with pytest.raises(MessageTooLarge, match="larger than 1000 bytes"):
        decoder.feed(b"x" * 1000)


def test_as_many_elements_as_the_limit_allows_are_read() -> None:
    data = encode_response([""] * 100)
    count = data.count(b"</") + data.count(b"/>")
    assert decode_response(data, Limits(max_elements=count)) == [""] * 100
    with pytest.raises(MessageTooLarge, match=f"more than {count - 1} elements"):
        decode_response(data, Limits(max_elements=count - 1))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"memory": 2**31}, r"params\[0\].memory: .* 32 bits"),
        ([10**400], r"params\[0\]\[0\]: .* 32 bits"),
        (float("nan"), "no number"),
        (float("inf"), "no number"),
        (datetime(2024, 1, 1), "without a time zone"),  # noqa: DTZ001 - that is the point
        ({1: "a"}, r"params\[0\].1: a member name must be text"),
        (object(), "no type for object"),
        ({"a": {"b", "c"}}, "no type for set"),
        ("bell \x07", r"U\+0007"),
        ({"nul \x00": 1}, r"U\+0000"),
        ("half \ud800", r"U\+D800"),
    ],
)
def test_what_xml_rpc_cannot_carry_is_refused_by_place(value: object, said: str) -> None:
    with pytest.raises(UnencodableValue, match=said):
        encode_call("VM.create", [value])


def test_an_integer_out_of_range_has_its_own_error() -> None:
    with pytest.raises(IntegerOutOfRange):
        encode_call("VM.create", [2**40])


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(UnencodableValue, match="nested deeper"):
        encode_response(value)


def test_a_response_replaces_what_xml_cannot_carry() -> None:
    assert decode_response(encode_response("bell \x07 \ud800 \r\n")) == "bell \ufffd \ufffd \r\n"
    with pytest.raises(RemoteFault, match="nul \ufffd"):
        decode_response(encode_fault(1, "nul \x00"))


def test_times_are_written_in_utc() -> None:
    time = datetime(2024, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert b"20231231T23:00:00Z" in encode_response(time)


@pytest.mark.parametrize("module", ["decode", "encode", "errors", "grammar", "rows", "scalars"])
def test_the_coding_does_no_input_or_output(module: str) -> None:
    source = importlib.import_module(f"virtcim.wire.{module}").__file__
    assert source is not None
    tree = ast.parse(Path(source).read_text())
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    roots = {name.partition(".")[0] for name in imported}
    assert not roots & {"socket", "ssl", "http", "httpx", "xmlrpc", "threading", "time", "asyncio"}
