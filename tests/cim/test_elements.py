"""Reading untrusted XML: bounded, and the same however the bytes were cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cim.cimxml.elements import Element, ElementReader, MessageLimits, read_element
from virtcim.cim.errors import CimXmlError

_LIMITS = MessageLimits(size_bytes=300, depth=5, elements=12)
_DOCUMENT = (
    '<?xml version="1.0" encoding="utf-8" ?>\n'
    '<CIM CIMVERSION="2.0"><!-- "<a>" --><V A="ü&#10;">text ü &amp; <![CDATA[<b>]]>\r\nend</V>'
    "<W/></CIM>"
)
_PIECES = st.sampled_from(
    [
        *("<a>", "</a>", "<b/>", "<c d='", "'>", " e='&lt;' ", "text", "&amp;", "&x;", "&#0;"),
        *(
            "<!-- ",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?xml version='1.0'?>",
            "<!DOCTYPE a>",
            "ü",
            "\ud800",
        ),
        *("<?xml version='1.0' encoding='utf-16'?>", "<?xml version='1.0' encoding='latin-1'?>"),
        *("\x00", "\ufeff", "<", ">", "\r\n", "x" * 120),
    ]
)
_DOCUMENTS = st.one_of(
    st.binary(max_size=60),
    st.lists(_PIECES, max_size=30).map(lambda parts: "".join(parts).encode(errors="replace")),
    st.lists(_PIECES, max_size=30).map(
        lambda parts: f"<r>{''.join(parts)}</r>".encode(errors="surrogatepass")
    ),
    st.text(max_size=30).map(lambda text: text.encode("utf-16", errors="replace")),
)

Outcome = Element | tuple[str, int, str]


def outcome(pieces: Iterable[bytes], *, block_bytes: int = 64 * 1024) -> Outcome:
    """The tree, or the refusal with all that it says."""
    reader = ElementReader(_LIMITS, block_bytes=block_bytes)
    try:
        for piece in pieces:
            reader.feed(piece)
        return reader.close()
    except CimXmlError as refused:
        return (refused.detail, refused.status_hint, refused.cim_error)


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 64 * 1024])
def test_a_document_is_read_whole_and_byte_by_byte(block_bytes: int) -> None:
    data = _DOCUMENT.encode()
    whole = read_element(data, _LIMITS)
    assert [child.name for child in whole.children] == ["V", "W"]
    assert whole.children[0].attributes == {"A": "ü\n"}
    assert whole.children[0].text == "text ü & <b>\nend"
    assert outcome([data], block_bytes=block_bytes) == whole
    assert outcome(byte_by_byte(data), block_bytes=block_bytes) == whole


def test_trailing_blanks_and_comments_change_nothing_and_anything_else_is_refused() -> None:
    data = _DOCUMENT.encode()
    assert outcome([data, b" \r\n", b"<!-- x -->"]) == outcome([data])
    for trailing in (b"x", b"<a/>", b"\x00", _DOCUMENT.encode()):
        refused = outcome([data, trailing])
        assert isinstance(refused, tuple)
        assert refused[1:] == (400, "request-not-well-formed")
        assert outcome([data + trailing]) == refused


@given(_DOCUMENTS, st.lists(st.integers(0, 400), max_size=8), st.sampled_from([2, 7, 64 * 1024]))
def test_cutting_changes_nothing_limits_and_texts_of_refusals_included(
    data: bytes, cuts: list[int], block_bytes: int
) -> None:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    whole = outcome([data], block_bytes=block_bytes)
    assert outcome(pieces, block_bytes=block_bytes) == whole
    assert outcome(byte_by_byte(data), block_bytes=block_bytes) == whole


@given(_DOCUMENTS, st.integers(2, 40))
def test_the_size_of_blocks_decides_nothing_but_when_a_mistake_is_told(
    data: bytes, block_bytes: int
) -> None:
    whole, in_blocks = outcome([data]), outcome([data], block_bytes=block_bytes)
    if isinstance(whole, Element):
        assert in_blocks == whole
        return
    assert isinstance(in_blocks, tuple)
    # Within the limit it is also the same kind of mistake; its words are expat's.
    assert len(data) > _LIMITS.size_bytes or in_blocks[1:] == whole[1:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<a>" * 6, "nested too deeply"),
        (b"<a>" + b"<b/>" * 12, "too many elements"),
        (b"<a>" + b"x" * 300, "at most 300 bytes"),
        (b"<!DOCTYPE a><a/>", "document type declaration"),
        (b"<a>&b;</a>", "undefined entity"),
        ("<a/>".encode("utf-16"), "UTF-8"),
        ("<a/>".encode("utf-16-le"), "UTF-8"),
        (b"<?xml version='1.0' encoding='latin-1'?><a/>", "UTF-8"),
        (b"", "no element found"),
    ],
)
def test_what_is_hostile_or_beyond_a_limit_is_refused_with_its_reason(
    data: bytes, reason: str
) -> None:
    for pieces in ([data], byte_by_byte(data)):
        refused = outcome(pieces)
        assert isinstance(refused, tuple)
        assert reason in refused[0]


@pytest.mark.parametrize("block_bytes", [2, 64 * 1024])
def test_what_stands_beyond_the_limit_is_never_looked_at(block_bytes: int) -> None:
    data = b"<a>" + b"x" * 297 + b"</b><!DOCTYPE c>"
    for pieces in ([data], [data[:299], data[299:]], byte_by_byte(data)):
        refused = outcome(pieces, block_bytes=block_bytes)
        assert refused == ("a message has at most 300 bytes", 413, "")


def test_a_document_of_just_the_limit_is_read() -> None:
    data = b"<a>" + b"x" * 293 + b"</a>"
    assert isinstance(outcome([data]), Element)
    assert outcome(byte_by_byte(data)) == outcome([data])


def test_a_reader_that_has_failed_gives_the_same_error_for_ever() -> None:
    reader = ElementReader(_LIMITS, block_bytes=4)
    with pytest.raises(CimXmlError) as first:
        reader.feed(b"</a></a>")
    for again in (lambda: reader.feed(b"<a/>"), reader.close):
        with pytest.raises(CimXmlError) as told:
            again()
        assert told.value is first.value


def test_text_means_what_it_says_whatever_encoding_it_declares() -> None:
    reader = ElementReader(_LIMITS, was_text=True)
    reader.feed("<?xml version='1.0' encoding='utf-16'?><a>ü</a>".encode())
    assert reader.close().text == "ü"


def test_what_only_looks_like_elements_is_not_counted() -> None:
    text = "<a/></a>" * 9
    data = f"<a><!-- {text} --><![CDATA[{text}]]></a>".encode()
    assert read_element(data, MessageLimits(elements=1)).text == text
    with pytest.raises(CimXmlError, match="too many elements"):
        read_element(b"<a><b/></a>", MessageLimits(elements=1))
