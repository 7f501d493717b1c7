"""One client cannot keep the server from others: not by what it asks, and not by what it leaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate, system_path
from tests.cimserver.serving import DEADLINE_S, Served, intrinsic, method, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import wait_for
from virtcim.cim.cimxml.paths import instance_name
from virtcim.cim.cimxml.responses import Answer
from virtcim.cim.records import StatusCode
from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.replies import send_answer
from virtcim.cimserver.work import Exchange, Work
from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.message_memory import Held, MessageMemory
from virtcim.mof import Schema

_MIB = 2**20
# Two clients, as long as nobody logs in: the loopback network has as many addresses as one likes.
_GREEDY, _GOOD = "127.0.0.2", "127.0.0.1"
_ALL = intrinsic("EnumerateInstances", ClassName='<CLASSNAME NAME="CIM_ManagedElement"/>')
_NAMES = intrinsic("EnumerateInstanceNames", ClassName='<CLASSNAME NAME="VirtCIM_ComputerSystem"/>')


def _sent(server: Served, source: str, body: str) -> socket.socket:
    """A connection on which a request was sent."""
    sock = server.connect(source)
    sock.sendall(_request(body))
    return sock


def _request(body: str) -> bytes:
    return (
        b"POST /cimom HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCIMOperation: MethodCall\r\n"
        b"Content-Type: application/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body.encode())
    )


def _asked(server: Served, source: str, body: str) -> bytes:
    """The whole answer to a request, head and all."""
    with _sent(server, source, body) as sock:
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _pause(number: int) -> str:
    target = instance_name(system_path(number))
    return method("RequestStateChange", target, RequestedState="<VALUE>9</VALUE>")


def _open(timeout_s: int = 600) -> str:
    return intrinsic(
        "OpenEnumerateInstances",
        ClassName='<CLASSNAME NAME="VirtCIM_ComputerSystem"/>',
        MaxObjectCount="<VALUE>1</VALUE>",
        OperationTimeout=f"<VALUE>{timeout_s}</VALUE>",
    )


def _context(answer: bytes) -> str:
    text = answer.decode().partition('NAME="EnumerationContext"')[2]
    return text.partition("<VALUE>")[2].partition("</VALUE>")[0]


Start = Callable[..., tuple[CimServer, Served]]


@pytest.fixture
def start(providers: Interposed, schema: Schema) -> Iterator[Start]:
    """A server with limits of its own, that sees the connections of its clients."""
    with ExitStack() as stack:

        def start(**limits: int | float) -> tuple[CimServer, Served]:
            application = CimServer(
                providers,
                schema,
                authenticate=None,
                limits=Limits(**limits),  # type: ignore[arg-type]
            )
            return application, stack.enter_context(served(application, http=HttpConnection))

        yield start


def test_methods_of_one_client_leave_threads_for_those_of_others(
    endpoint: SimulatedEndpoint, start: Start
) -> None:
    populate(endpoint, range(41))
    _, server = start(method_threads=4)
    endpoint.gate.clear()
    with ThreadPoolExecutor(41) as clients:
        greedy = [clients.submit(_asked, server, _GREEDY, _pause(number)) for number in range(40)]
        wait_for(lambda: endpoint.held == 5)
        good = clients.submit(_asked, server, _GOOD, _pause(40))
        wait_for(lambda: endpoint.held == 6)
        assert not good.done()
        # Reads have threads of their own.
        assert _status(_asked(server, _GOOD, _NAMES)) == 200
        endpoint.gate.set()
        answers = [one.result(DEADLINE_S) for one in [*greedy, good]]
    assert [_status(answer) for answer in answers] == 41 * [200]
    assert all(b"<ERROR" not in answer for answer in answers)


def test_who_has_taken_all_places_that_he_gets_is_refused_and_nobody_else(
    endpoint: SimulatedEndpoint, start: Start
) -> None:
    populate(endpoint, range(10))
    application, server = start(concurrent_requests=4)
    endpoint.gate.clear()
    with ThreadPoolExecutor(10) as clients:
        greedy: list[Future[bytes]] = [
            clients.submit(_asked, server, _GREEDY, _pause(number)) for number in range(3)
        ]
        wait_for(lambda: endpoint.held == 3)
        refused = _asked(server, _GREEDY, _pause(3))
        assert _status(refused) == 503
        assert b"retry-after: 1\r\n" in refused.lower()
        assert _status(_asked(server, _GOOD, _NAMES)) == 200
        endpoint.gate.set()
        assert [_status(one.result(DEADLINE_S)) for one in greedy] == 3 * [200]
    assert application.load.refused == 1


def test_a_place_is_taken_when_a_request_is_complete_and_given_back_with_its_answer(
    endpoint: SimulatedEndpoint, start: Start
) -> None:
    populate(endpoint, range(10))
    application, server = start(concurrent_requests=2)
    with ExitStack() as stack:
        for _ in range(4):
            incomplete = stack.enter_context(server.connect(_GOOD))
            incomplete.sendall(_request(_NAMES)[:-1])
            # Nobody takes the answer.
            unread = stack.enter_context(_sent(server, _GOOD, _ALL))
            assert _status(unread.recv(100, socket.MSG_PEEK)) == 200
            wait_for(lambda: application.load.requests == 0)
        assert _status(_asked(server, _GOOD, _NAMES)) == 200
    assert application.load.refused == 0


def test_who_waits_too_long_for_his_turn_is_refused(
    endpoint: SimulatedEndpoint, start: Start
) -> None:
    populate(endpoint, range(4))
    _, server = start(method_threads=1, turn_timeout_s=0.2)
    endpoint.gate.clear()
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(_asked, server, _GREEDY, _pause(0))
        wait_for(lambda: endpoint.held == 1)
        assert _status(_asked(server, _GOOD, _pause(1))) == 503
        endpoint.gate.set()
        assert _status(first.result(DEADLINE_S)) == 200


def test_replies_that_nobody_takes_are_few_and_others_get_theirs(
    endpoint: SimulatedEndpoint, start: Start
) -> None:
    populate(endpoint, range(250))
    application, server = start(message_memory_bytes=16 * _MIB, held_reply_bytes=_MIB)
    with ExitStack() as stack:
        unread = [stack.enter_context(_sent(server, _GREEDY, _ALL)) for _ in range(60)]
        wait_for(lambda: application.load.message_bytes > 7 * _MIB)
        # After each of these it would be the other's turn again.
        for _ in range(30):
            assert _status(_asked(server, _GOOD, _NAMES)) == 200
        assert len(_asked(server, _GOOD, _ALL)) > 2 * _MIB
        # Half of the memory, and what was being written when that was reached.
        assert application.load.message_bytes < 16 * _MIB
        assert application.load.waiting > 15
        for one in unread:
            one.close()
        wait_for(lambda: application.load.message_bytes == 0)
        wait_for(lambda: application.load.requests == 0)


def test_the_rest_of_a_reply_is_not_written_for_a_client_that_has_gone() -> None:
    written: list[int] = []

    def rest() -> Iterator[bytes]:
        for number in range(1000):
            written.append(number)
            yield b"x" * 1000

    class Gone(HttpConnection):
        def __init__(self) -> None:
            self.has_ended = False

    connection = Gone()

    async def send(_: object) -> None:
        connection.has_ended = len(written) > 0

    async def test() -> None:
        memory = MessageMemory(_MIB)
        held = Held(memory, _GOOD)
        work = Work("test", 1, longest_s=1.0, memory=memory)
        answer = Answer(pieces=[b"x" * 100_000], rest=rest())
        await send_answer(send, answer, (), work, Exchange(_GOOD, held, connection))
        work.close()
        assert memory.held_bytes == 0

    asyncio.run(test())
    assert 0 < len(written) < 100


def test_who_opens_an_enumeration_waits_until_another_client_has_closed_one(
    start: Start,
) -> None:
    application, server = start(open_enumerations=1)
    context = _context(_asked(server, _GREEDY, _open()))
    with ThreadPoolExecutor(1) as clients:
        opened = clients.submit(_asked, server, _GOOD, _open())
        wait_for(lambda: application.load.waiting == 1)
        close = intrinsic("CloseEnumeration", EnumerationContext=f"<VALUE>{context}</VALUE>")
        assert _status(_asked(server, _GREEDY, close)) == 200
        assert _context(opened.result(DEADLINE_S))


@pytest.mark.parametrize("limit", ["open_enumerations", "open_enumeration_bytes"])
def test_an_enumeration_for_which_no_room_comes_is_refused(start: Start, limit: str) -> None:
    _, server = start(turn_timeout_s=0.2, **{limit: 1})
    assert _context(_asked(server, _GREEDY, _open()))
    refused = _asked(server, _GOOD, _open())
    assert b'CODE="%d"' % StatusCode.SERVER_LIMITS_EXCEEDED in refused
