"""Records as pages of rows (``virtcim.get_rows``): the same values, each object once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest

from tests.toolstack.host import Host, domain_uuid, events, failure, running_host, write_host
from virtcim.toolstack.calls import rows as row_calls
from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import CLASSES
from virtcim.wire.rows import Page, decode_page

NAMES = tuple(f"m{number}" for number in range(7))
SERVED = [name for name in CLASSES if name not in ("task", "session")]


@pytest.fixture
def host_uri(tmp_path: Path) -> str:
    return write_host(tmp_path / "host.xml", running=NAMES[:3], halted=NAMES[3:])


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_calls, "_MOST_ROWS", 3)


def page_of(api: Any, class_name: str, fields: list[str], after: str = "") -> Page:
    times = [field for field in fields if CLASSES[class_name].fields[field] == "datetime"]
    return decode_page(api.virtcim.get_rows(class_name, fields, after), fields, times)


def pages_of(api: Any, class_name: str, fields: list[str]) -> Iterator[Page]:
    after = ""
    while True:
        page = page_of(api, class_name, fields, after)
        yield page
        if not (after := page.next):
            return


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("class_name", SERVED)
def test_rows_hold_what_the_records_hold(host: Host, api: Any, class_name: str) -> None:
    fields = list(CLASSES[class_name].fields)
    pages = list(pages_of(api, class_name, fields))
    # As they are in the toolstack: the module that the session is of has times as texts.
    records = host.toolstack._database.records(class_name)
    assert {ref: record for page in pages for ref, record in page.records.items()} == records
    assert [len(page.records) for page in pages[:-1]] == [3] * (len(pages) - 1)
    assert {page.total for page in pages} == {len(records)}
    read = [ref for page in pages for ref in page.records]
    assert read == sorted(records)


def test_rows_have_the_fields_that_are_asked_for_in_their_order(api: Any) -> None:
    page = page_of(api, "VM", ["power_state", "uuid"])
    assert {tuple(record) for record in page.records.values()} == {("power_state", "uuid")}
    assert page_of(api, "VM", []).records == {ref: {} for ref in page.records}


def test_records_that_nobody_has_read_are_made_for_their_rows(host: Host) -> None:
    with running_host(host.toolstack._connection.uri) as fresh:
        session = fresh.login()
        page = page_of(session.xenapi, "VBD", ["VM", "device"])
        assert page.records.keys() == fresh.toolstack._database.records("VBD").keys()
        assert len(page.records) == len(NAMES)
        session("close")()


@pytest.mark.usefixtures("short_pages")
def test_what_happens_between_two_pages_is_lost_nowhere(host: Host, api: Any) -> None:
    session = host.login()
    token = events(session, ["vm"])["token"]
    pages = pages_of(session.xenapi, "VM", ["uuid", "name_label"])
    seen = dict(next(pages).records)
    # One of the page that was read, one of a later one, and the one that the page ended with.
    later = sorted(host.toolstack._database.references("VM"))
    gone, renamed, last = later[0], later[1], later[2]
    gone_too, renamed_too = later[4], later[5]
    for ref in (gone, last, gone_too):
        if api.VM.get_power_state(ref) == "Running":
            api.VM.hard_shutdown(ref)
        api.VM.destroy(ref)
    for ref in (renamed, renamed_too):
        if api.VM.get_power_state(ref) == "Running":
            api.VM.hard_shutdown(ref)
        api.VM.set_name_label(ref, f"new name of {ref[-4:]}")
    for page in pages:
        seen |= page.records
    for event in events(session, ["vm"], token)["events"]:
        if event["operation"] == "del":
            seen.pop(event["ref"], None)
        else:
            snapshot = event["snapshot"]
            seen[event["ref"]] = {name: snapshot[name] for name in ("uuid", "name_label")}
    now = host.toolstack._database.records("VM")
    assert seen == {
        ref: {"uuid": record["uuid"], "name_label": record["name_label"]}
        for ref, record in now.items()
    }
    assert len(seen) == len(NAMES) - 3
    session("close")()


@pytest.mark.parametrize(
    ("class_name", "fields", "said"),
    [
        ("VM", ["uuid", "colour"], ["fields", "colour", "is no field of VM"]),
        ("VM", ["uuid", "uuid"], ["fields", "2", "a field is named twice"]),
        ("colour", ["uuid"], ["class", "colour", "is no class that there are rows of"]),
        ("task", ["uuid"], ["class", "task", "is no class that there are rows of"]),
        ("session", ["uuid"], ["class", "session", "is no class that there are rows of"]),
    ],
)
def test_what_there_are_no_rows_of_is_refused(
    api: Any, class_name: str, fields: list[str], said: list[str]
) -> None:
    refused = failure(api.virtcim.get_rows, class_name, fields, "")
    assert refused == ["VALUE_NOT_SUPPORTED", *said]


def test_rows_need_a_session(host: Host) -> None:
    with ServerProxy(host.url) as anybody:
        answer = anybody.virtcim.get_rows("OpaqueRef:nobody's", "VM", ["uuid"], "")
    assert answer == {
        "Status": "Failure",
        "ErrorDescription": ["SESSION_INVALID", "OpaqueRef:nobody's"],
    }


def test_an_object_of_which_no_record_can_be_made_is_on_no_page() -> None:
    database = Database(1)

    def odd() -> dict[str, Any]:
        raise ValueError("odd")

    for letter in "dbca":
        make = odd if letter == "b" else partial(dict, uuid=letter)
        database.announce([("VM", letter, letter, make)])
    first, more = database.records_after("VM", "", 2)
    assert ([ref for ref, _ in first], more) == (["a", "c"], True)
    assert database.records_after("VM", "c", 2) == ([("d", {"uuid": "d"})], False)


def test_domain_uuids_are_those_of_the_rows(api: Any) -> None:
    page = page_of(api, "VM", ["uuid", "name_label"])
    assert {one["uuid"]: one["name_label"] for one in page.records.values()} == {
        domain_uuid(name): name for name in NAMES
    }
