"""A server that nobody asks rests, and ends at once all the same."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn

from virtcim.daemon import run as run_module
from virtcim.daemon.admission import Admission
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.run import _Server


def test_a_server_that_is_to_stop_does_not_wait_until_it_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "_DATE_EVERY_S", 3600.0)
    ticks = 0
    looked = asyncio.Event()

    class Counting(_Server):
        """One that says when it has looked."""

        async def on_tick(self, counter: int) -> bool:
            nonlocal ticks
            ticks += 1
            looked.set()
            return await super().on_tick(counter)

    async def run() -> None:
        admission = Admission(most=1, most_of_an_address=1)
        server = Counting(uvicorn.Config(lambda: None), admission, ClientLimits())
        running = asyncio.create_task(server.main_loop())
        await looked.wait()
        server.stop()
        await asyncio.wait_for(running, 60)
        assert ticks == 2, "it has rested, and was woken"
        assert server.server_state.default_headers[0][0] == b"date"

    asyncio.run(run())
