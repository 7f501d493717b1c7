"""What threads of the toolstack write down has the number of the call that they work for."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from virtcim.daemon.current_request import begin_request, current_request
from virtcim.toolstack.calltable import Context
from virtcim.wire.application import ClientInfo


def test_a_thread_knows_for_which_call_it_works() -> None:
    def number() -> str:
        request = current_request()
        return "" if request is None else request.number

    async def call(given: bytes, threads: ThreadPoolExecutor) -> str:
        begin_request({"headers": [(b"x-request-id", given)], "client": None})
        context = Context(services=cast("Any", None), client=ClientInfo(), threads=threads)
        return await context.run(number)

    async def calls() -> list[str]:
        # One thread, and the calls in it one after the other.
        with ThreadPoolExecutor(1) as threads:
            return await asyncio.gather(call(b"one", threads), call(b"two", threads))

    assert asyncio.run(calls()) == ["one", "two"]
