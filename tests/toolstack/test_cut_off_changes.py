"""What libvirt gives up waiting for is asked again: a cut-off change is taken back to its end."""

from __future__ import annotations

import logging
from typing import Any

import libvirt
import pytest

from tests.toolstack.host import Host, domain_uuid
from virtcim.toolstack.machines import change_journal
from virtcim.toolstack.machines.change_journal import Before, take_back_unfinished

TIMED_OUT = libvirt.VIR_ERR_OPERATION_TIMEOUT


def refusal(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("no")
    error.err = (code, 0, "cannot acquire state change lock", 2, "", "", "", -1, -1)
    return error


def cut_off(host: Host, name: str, monkeypatch: pytest.MonkeyPatch, *refusals: int) -> str:
    """Take back a change of a running machine that libvirt refuses first so often; says how."""
    left = list(refusals)
    undo = change_journal.set_live

    def refusing(*arguments: Any) -> None:
        if left:
            raise refusal(left.pop(0))
        undo(*arguments)

    monkeypatch.setattr(change_journal, "set_live", refusing)
    domain = host.libvirt.lookupByName(name)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "half made", None, None, 1)
    before = Before(
        uuid=domain_uuid(name),
        name=name,
        config=domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE),
        autostart=False,
        steps=(),
        live={"name_description": "as before"},
    )
    database = host.toolstack._state.database
    query = "insert or replace into unfinished_change values (?, ?)"
    database.query(query, before.uuid, before.to_text())
    take_back_unfinished(host.toolstack._connection, database)
    assert database.query("select * from unfinished_change") == []
    assert left == []
    return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None, 1))


def test_a_machine_that_does_not_answer_is_asked_until_it_does(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert cut_off(host, "runs", monkeypatch, TIMED_OUT, TIMED_OUT) == "as before"
    assert caplog.text.count("the emulator does not answer") == 2
    assert "a change that was cut off has been taken back" in caplog.text


def test_what_is_refused_for_another_reason_remains_and_is_said(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = libvirt.VIR_ERR_OPERATION_FAILED
    assert cut_off(host, "runs", monkeypatch, TIMED_OUT, failed) == "half made"
    assert "there remains: name_description while it runs" in caplog.text


def test_of_a_run_that_has_ended_meanwhile_nothing_remains(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    undo = change_journal.set_live

    def ends(connection: Any, domain: Any, *arguments: Any) -> None:
        domain.destroy()
        undo(connection, domain, *arguments)

    monkeypatch.setattr(change_journal, "set_live", ends)
    before = Before(
        uuid=domain_uuid("runs"),
        name="runs",
        config="",
        autostart=False,
        steps=(),
        live={"name_description": "as before"},
    )
    database = host.toolstack._state.database
    query = "insert or replace into unfinished_change values (?, ?)"
    database.query(query, before.uuid, before.to_text())
    take_back_unfinished(host.toolstack._connection, database)
    assert "a change that was cut off has been taken back" in caplog.text
    assert "there remains" not in caplog.text
