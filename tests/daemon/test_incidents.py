"""A failure that nobody foresaw: what the log has of it, and what the client."""

from __future__ import annotations

import logging

import pytest

from virtcim.daemon.incidents import incident


def _failure() -> Exception:
    try:
        raise KeyError("the secret inside")
    except KeyError as exc:
        return exc


def test_the_log_explains_the_number_that_the_client_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        told = incident("VM.start", _failure())
    start, _, number = told.rpartition(" ")
    assert start == "VM.start failed unexpectedly; the log has more under incident"
    [record] = caplog.records
    assert record.getMessage() == f"incident {number}: VM.start failed unexpectedly"
    assert "KeyError: 'the secret inside'" in caplog.text
    assert "secret" not in told


def test_each_incident_has_a_number_of_its_own() -> None:
    assert incident("a call", _failure()) != incident("a call", _failure())


def test_a_name_that_a_client_chose_forges_no_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = incident("x\nERROR forged\x1b[2J" + "ü" * 1000, _failure())
    [record] = caplog.records
    for text in (told, record.getMessage()):
        assert text.isprintable()
        assert r"x\nERROR forged\x1b[2J" in text
        assert len(text) < 250
