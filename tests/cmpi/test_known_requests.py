"""Requests that were asked before are not read again, and no more of them are kept than is said."""

from __future__ import annotations

import pytest

from tests.cim.everything import EVERYTHING
from tests.cmpi import hosts
from virtcim.cim.records import ObjectPath
from virtcim.cmpi.blocks import number_block, text_block
from virtcim.cmpi.bridge import Bridge
from virtcim.cmpi.host import HostedProviders
from virtcim.cmpi.request import REQUEST_TEXTS, Delivery, Operation, Request
from virtcim.cmpi.writing import BlockWriter


class _Call:
    """The server's side."""

    def __init__(self) -> None:
        self.answer = b""

    def give(self, block: bytes) -> None:
        self.answer = block

    def delivery(self) -> Delivery | None:
        return None

    def is_a(self, namespace: str, class_name: str, ancestor: str) -> bool | None:
        return None


@pytest.fixture(scope="module")
def hosted() -> HostedProviders:
    return hosts.small()


def block_of(hosted: HostedProviders, identity: str) -> bytes:
    path = ObjectPath(EVERYTHING, {"Id": identity}, namespace="root/virt")
    return b"".join(
        [
            text_block("root") + text_block(None),
            BlockWriter(hosted.declarations, embeds=True).path(path),
            text_block(None),  # all properties
            text_block(None) * REQUEST_TEXTS,
            number_block(0),
        ]
    )


def test_a_request_is_read_once_and_answered_anew(
    hosted: HostedProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = [], Request.read

    def counted(operation: int, block: bytes, interop: str = "") -> Request:
        reads.append(operation)
        return read(operation, block, interop)

    monkeypatch.setattr(Request, "read", counted)
    bridge, calls = Bridge(lambda: hosted), [_Call() for _ in range(4)]
    for call in calls:
        # The first one comes before there are providers.
        assert bridge.serve(call, 0, Operation.GET_INSTANCE, block_of(hosted, "id 1")) == 0
    assert len({call.answer for call in calls}) == 1
    assert reads == [Operation.GET_INSTANCE] * 2


def test_what_fails_fails_again(hosted: HostedProviders) -> None:
    bridge, calls = Bridge(lambda: hosted), [_Call() for _ in range(3)]
    for call in calls:
        bridge.serve(call, 0, Operation.GET_INSTANCE, block_of(hosted, "status 6"))
    assert {call.answer[:5] for call in calls} == {b"s" + number_block(6)}


def test_few_are_kept_and_none_that_is_long(
    hosted: HostedProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtcim.cmpi.bridge._MOST_KNOWN", 5)
    bridge = Bridge(lambda: hosted)
    for number in range(20):
        for identity in (f"id {number}", f"id {number:2000}"):
            call = _Call()
            bridge.serve(call, 0, Operation.GET_INSTANCE, block_of(hosted, identity))
            assert call.answer.startswith(b"i")
            assert len(bridge._known) <= 5
    assert max(len(block) for _, block in bridge._known) < 1024
