"""Messages between two processes of a daemon, over a socket that they alone have.

A message has a kind, values of JSON, bytes, and perhaps an open socket that is handed over. Who
asks gets one answer, or hears that the other one is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["AnswerFailed", "Channel", "ChannelLost", "Message"]

_log = logging.getLogger(__name__)

# The length of the values, that of the bytes, and whether a socket comes with them.
_HEAD = struct.Struct("!IQ?")
_READ_BYTES = 256 * 1024
_ANSWER = "answer"
_FAILED, _LOST = "failed", "lost"
_NUMBER = "#"

Values = Mapping[str, Any]


class ChannelLost(Exception):  # noqa: N818 - what happens to whoever waits
    """The other process is gone, or the one that it would have had to ask."""


class AnswerFailed(Exception):  # noqa: N818 - what happens to whoever waits
    """The other process is there, and failed while it answered: its log says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What was said; ``sock`` belongs to whoever receives it."""

    kind: str
    values: Values = field(default_factory=dict)
    body: bytes = b""
    sock: socket.socket | None = None


Hear = Callable[[Message], None]
Answer = Callable[[Message], Awaitable[Message]]


class Channel:
    """One end of a socket pair; to be made and used in one event loop.

    ``hears`` are called with what is told, by its kind; ``answers`` with what is asked. ``lost`` is
    called once, when the other process is gone.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        hears: Mapping[str, Hear],
        answers: Mapping[str, Answer],
        lost: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._hears = hears
        self._answers = answers
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._sockets: deque[socket.socket] = deque()
        self._unsent: deque[tuple[memoryview, socket.socket | None]] = deque()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock, self._read)

    def tell(self, message: Message) -> None:
        """Say something; a socket that is handed over is closed here as soon as it has gone."""
        if self.is_closed:
            if message.sock is not None:
                message.sock.close()
            return
        values = json.dumps({**message.values, "kind": message.kind}).encode()
        head = _HEAD.pack(len(values), len(message.body), message.sock is not None)
        self._unsent.append((memoryview(head + values), message.sock))
        if message.body:
            self._unsent.append((memoryview(message.body), None))
        self._write()

    async def ask(self, message: Message) -> Message:
        """Ask, and wait for the answer. Raises ChannelLost where none will come, AnswerFailed."""
        if self.is_closed:
            raise ChannelLost
        number = next(self._numbers)
        answer = self._asked[number] = self._loop.create_future()
        try:
            self.tell(
                Message(
                    kind=message.kind,
                    values={**message.values, _NUMBER: number},
                    body=message.body,
                )
            )
            found: Message = await answer
        finally:
            self._asked.pop(number, None)
        if _LOST in found.values:
            raise ChannelLost(str(found.values[_LOST]))
        if _FAILED in found.values:
            raise AnswerFailed(f"{message.kind}: {found.values[_FAILED]}")
        return found

    def close(self) -> None:
        """Say and hear nothing any more; ``lost`` is not called."""
        if self.is_closed:
            return
        self.is_closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for sock in self._sockets:
            sock.close()
        for _, given in self._unsent:
            if given is not None:
                given.close()
        self._unsent.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ChannelLost("the other process has ended"))
        for task in self._tasks:
            task.cancel()

    def _end(self) -> None:
        if not self.is_closed:
            self.close()
            self._lost()

    def _write(self) -> None:
        try:
            while self._unsent:
                data, given = self._unsent[0]
                if given is None:
                    sent = self._sock.send(data)
                else:
                    sent = socket.send_fds(self._sock, [data], [given.fileno()])
                    given.close()
                if sent < len(data):
                    self._unsent[0] = data[sent:], None
                else:
                    self._unsent.popleft()
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._sock, self._write)
        except OSError:
            # Who reads finds out: it may still have something to say.
            self._loop.remove_writer(self._sock)
        else:
            self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._sock, _READ_BYTES, 8, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end()
            return
        self._sockets.extend(_socket_of(one) for one in descriptors)
        if not data:
            self._end()
            return
        self._received += data
        while not self.is_closed and (received := self._next()) is not None:
            self._take(*received)

    def _next(self) -> tuple[int | None, Message] | None:
        """The next message that has arrived as a whole, with its number where it is asked."""
        received = self._received
        if len(received) < _HEAD.size:
            return None
        size, body_size, has_socket = _HEAD.unpack_from(received)
        begins = _HEAD.size + size
        ends = begins + body_size
        if len(received) < ends:
            return None
        values = json.loads(bytes(received[_HEAD.size : begins]))
        number = values.pop(_NUMBER, None)
        body = bytes(memoryview(received)[begins:ends])
        del received[:ends]
        sock = self._sockets.popleft() if has_socket else None
        return number, Message(kind=values.pop("kind"), values=values, body=body, sock=sock)

    def _take(self, number: int | None, message: Message) -> None:
        if message.kind == _ANSWER:
            answer = self._asked.get(number or 0)
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif number is not None:
            task = self._loop.create_task(self._answer(number, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif (hear := self._hears.get(message.kind)) is not None:
            hear(message)
        elif message.sock is not None:
            message.sock.close()

    async def _answer(self, number: int, message: Message) -> None:
        answer = self._answers.get(message.kind)
        values: Values
        body = b""
        if answer is None:
            values = {_FAILED: f"nobody answers {message.kind} here"}
        else:
            try:
                given = await answer(message)
            except ChannelLost as error:
                values = {_LOST: str(error)}
            except Exception as error:  # noqa: BLE001 - the boundary between two processes
                _log.exception("%s was asked and cannot be answered", message.kind)
                values = {_FAILED: type(error).__name__}
            else:
                values, body = given.values, given.body
        self.tell(Message(kind=_ANSWER, values={**values, _NUMBER: number}, body=body))


def _socket_of(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        raise
