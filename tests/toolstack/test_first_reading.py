"""While everything is read for the first time, it is told how far that is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.toolstack.host import DEADLINE_S, host_xml
from virtcim.daemon.observation.readiness import readiness
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.toolstack import Toolstack, ToolstackOptions

_MANY = 45  # three lots of domains


def test_reading_says_how_far_it_is_and_why_calls_fail_meanwhile(tmp_path: Path) -> None:
    described = tmp_path / "host.xml"
    described.write_text(host_xml(halted=tuple(f"vm{number}" for number in range(_MANY - 1))))
    uri = f"test://{described}"
    toolstack = Toolstack(ToolstackOptions(libvirt_uri=uri))
    connection = toolstack._connection
    call, reached, go_on = connection.call, threading.Event(), threading.Event()
    asked: list[None] = []

    def slow(function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        if getattr(function, "__name__", "") == "XMLDesc" and "domain" in repr(function).lower():
            asked.append(None)
            if len(asked) == 25:
                reached.set()
                assert go_on.wait(DEADLINE_S)
        return call(function, *arguments, **named)

    connection.call = slow  # type: ignore[assignment]

    def told() -> dict[str, object]:
        return readiness(toolstack.connections(), draining=False)

    assert told()["reason"] == "libvirt: loading"
    toolstack.start()
    try:
        assert reached.wait(DEADLINE_S)
        assert told() == {
            "ready": False,
            "reason": "libvirt: loading, 20 of 45",
            "connections": {
                "libvirt": {
                    "state": "loading",
                    "read": 20,
                    "of": 45,
                    "error": "ERR_COMMUNICATION_NOT_ESTABLISHED",
                }
            },
        }
        with pytest.raises(XapiFailure) as refused:
            connection.require()
        assert refused.value.description[4] == (
            f"no connection to libvirt at {uri}: it is being read, 20 of 45 domains"
        )
        go_on.set()
        assert toolstack.wait_connected(DEADLINE_S)
        assert told() == {"ready": True, "connections": {"libvirt": {"state": "connected"}}}
    finally:
        go_on.set()
        toolstack.stop()
