"""Whatever arrives gets an answer, in bounded time."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from virtcim.errormap import (
    Fault,
    Rule,
    cim_message,
    explain,
    from_record,
    from_xapi,
    rules,
    translate,
)
from virtcim.errormap.reading.text import searched

SOURCES = ("xapi", "xend", "libvirt", "qemu", "transport")
_FIELDS = {
    "xapi": ("error_description", "task_status"),
    "xend": ("fault_code", "fault_string"),
    "libvirt": ("code", "code_name", "domain", "message", "str1", "int1"),
    "qemu": (
        "class", "desc", "event", "data", "error", "query-migrate", "query-jobs", "query-block",
        "query-status", "exit_status", "stderr",
    ),
    "transport": (
        "phase", "exception", "errno", "message", "http_status", "content_type", "body",
    ),
}  # fmt: skip

_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


def _records() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        *(
            st.fixed_dictionaries(
                {
                    "source": st.just(source),
                    "raw": st.dictionaries(st.sampled_from(_FIELDS[source]), _anything),
                },
                optional={"operation": _anything, "version": _anything},
            )
            for source in SOURCES
        )
    )


@settings(max_examples=400, deadline=None)
@given(_records())
def test_any_record_of_a_known_source_is_translated_or_refused_by_name(
    record: dict[str, Any],
) -> None:
    try:
        fault = from_record(record)
    except ValueError as error:
        refused = str(error)
        assume("; expected: " not in refused)
        raise
    error = translate(fault)
    assert error.fault is fault
    assert explain(fault).error == error
    assert cim_message(error).isprintable()


@settings(max_examples=200, deadline=None)
@given(_anything)
def test_any_other_value_is_refused_as_no_record(value: Any) -> None:
    with pytest.raises(ValueError, match=r"record|raw|source"):
        from_record(value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["xapi", "libvirt"]), st.lists(_anything, max_size=12))
def test_any_number_and_type_of_arguments_is_accepted(source: str, words: list[Any]) -> None:
    described = ["LIBVIRT_ERROR" if source == "libvirt" else "HANDLE_INVALID", *words]
    record = {"source": "xapi", "raw": {"error_description": described}}
    assert translate(from_record(record)).message


def _raw(source: str, text: str) -> dict[str, object]:
    forms: dict[str, dict[str, object]] = {
        "xapi": {"error_description": ["INTERNAL_ERROR", text]},
        "xend": {"fault_code": 2, "fault_string": text},
        "libvirt": {"code": 1, "message": text},
        "qemu": {"class": "GenericError", "desc": text},
        "transport": {"phase": "after_send", "body": text},
    }
    return forms[source]


def _hostile(source: str) -> list[str]:
    """Beginnings that patterns wait to see continued, repeated without the continuation."""
    patterns = " ".join(rule.text.pattern for rule in rules() if rule.text)
    words = sorted(set(re.findall(r"[a-z][a-z ]{3,}", patterns)))
    return [
        " ".join(words),
        # Each pattern's own beginnings are tried below. Two dozen of them are dealt out among the
        # sources: their rules search the same text in the same way.
        *words[:: len(words) // 24][SOURCES.index(source) :: len(SOURCES)],
        "name ", "device ", "image ", "cannot find ", "'", "(1, '", "<Fault 1: '", "\n", "\u0130",
        "Server_error(A_B, [", "unable to execute QEMU command '", "error : ",
    ]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_text_of_a_megabyte_is_translated_quickly_whatever_it_repeats(source: str) -> None:
    for part in _hostile(source):
        text = (part * (1_000_000 // len(part) + 1))[:1_000_000]
        started = time.process_time()
        error = translate(from_record({"source": source, "raw": _raw(source, text)}))
        # An exponential or quadratic pattern would take minutes here, not milliseconds.
        assert time.process_time() - started < 10, part
        assert len(error.message) < 2500


_OPERATIONS = ("", "VM.start", "virDomainMigrateToURI3", "virStorageVolCreateXML", "migrate")


@pytest.mark.parametrize("rule", [rule for rule in rules() if rule.text], ids=lambda rule: rule.id)
def test_no_pattern_searches_its_own_beginnings_for_long(rule: Rule) -> None:
    """What a pattern needs, over and over, each time without what must follow."""
    assert rule.text is not None
    for part in (*rule.needles, *re.findall(r"[a-z(\-'/][a-z '/(\-]{2,}", rule.text.pattern)):
        text = searched(part * (40_000 // len(part)))
        started = time.process_time()
        rule.text.search(text)
        assert time.process_time() - started < 5, part


@pytest.mark.parametrize("source", SOURCES)
def test_four_times_the_text_costs_about_four_times_the_time(source: str) -> None:
    def cost(length: int) -> float:
        record = {"source": source, "raw": _raw(source, "image <Fault 2: '" * (length // 17))}
        started = time.process_time()
        translate(from_record(record))
        return time.process_time() - started

    # The least of some, as the first has more to do than the others.
    usual = min(cost(1_000_000) for _ in range(3))
    assert cost(4_000_000) < 10 * usual + 0.1


@pytest.mark.parametrize("operation", _OPERATIONS)
@settings(max_examples=60, deadline=None)
@given(source=st.sampled_from(SOURCES), text=st.text(max_size=300))
def test_text_of_any_language_is_translated(operation: str, source: str, text: str) -> None:
    record = {"source": source, "operation": operation, "raw": _raw(source, text)}
    described = cim_message(translate(from_record(record)))
    assert described.isprintable()
    assert described.encode("utf-8")


def test_causes_without_end_are_answered() -> None:
    fault = from_xapi(["INTERNAL_ERROR", "x"])
    for _ in range(5_000):
        fault = Fault(source="xapi", code="INTERNAL_ERROR", arguments=("y",), cause=fault)
    assert translate(fault).fault is fault
    assert explain(fault).path[0] is fault


def test_bytes_of_any_encoding_are_read() -> None:
    for raw in (b"\xff\xfe", "Gerät".encode("latin-1"), b"\x00", "已存在".encode("gb18030")):
        assert translate(from_xapi([raw, raw, None, 7, 2.5, [raw], {b"a": raw}])).message


def test_the_cause_is_found_at_either_end_of_a_long_text() -> None:
    filling = "noise " * 200_000
    cause = "No space left on device: '/var/lib/xen/images/blue.img'"
    for text in (f"{cause} {filling}", f"{filling} {cause}"):
        error = translate(from_record({"source": "xend", "raw": _raw("xend", text)}))
        assert error.code.name == "ERR_OUT_OF_DISK_SPACE"
