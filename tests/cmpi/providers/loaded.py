"""The broker within the process of the tests, so that both see the same hypervisor in memory."""

from __future__ import annotations

import ctypes
from pathlib import Path

from tests.cmpi.server import Answer, Server

__all__ = ["LoadedBroker"]


class _Output(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("room", ctypes.c_size_t),
    )


class LoadedBroker(Server):
    """A broker of one flavour; from many threads at once, as a CIM server has them.

    ``file`` is a copy of its own: what a flavour is stands in variables of the library.
    """

    def __init__(self, file: Path, flavour: str) -> None:
        self._broker = ctypes.CDLL(str(file))
        self._free = ctypes.CDLL(None).free
        self._free.argtypes = [ctypes.c_void_p]
        self._broker.broker_play(flavour.encode())
        self._opened: dict[str, int] = {}

    def command(self, words: str) -> Answer:
        """Have it done in this thread."""
        output = _Output()
        line = ctypes.create_string_buffer(words.encode())
        self._broker.do_command(ctypes.byref(output), line)
        assert output.text is not None
        text = ctypes.string_at(output.text).decode()
        self._free(output.text)
        answer = Answer()
        for one in text.splitlines():
            answer.take(one)
        return answer
