"""Running one ASGI application on several listeners until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import math
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from virtcim.daemon.acceptor import Acceptor
from virtcim.daemon.admission import Admission
from virtcim.daemon.asgi import ASGIApp, Message
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.connections import Connections
from virtcim.daemon.descriptors import most_connections, raise_limit
from virtcim.daemon.exchanges import ending_waits, guarded
from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.listener import (
    BoundListener,
    Listen,
    ListenError,
    bind,
    parse_listen,
    require_authentication,
)
from virtcim.daemon.local_hosts import only_local_hosts
from virtcim.daemon.memory import limit_memory, return_memory
from virtcim.daemon.observation.pages import Observation
from virtcim.daemon.tls import TlsError, renewed_context, tls_context

__all__ = [
    "AppFactory",
    "Drain",
    "Listen",
    "ListenError",
    "StartError",
    "parse_listen",
    "require_authentication",
    "run_daemon",
]

AppFactory = Callable[[], ASGIApp | Awaitable[ASGIApp]]
Drain = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)

_GRACEFUL_STOP_S = 3
_DATE_EVERY_S = 1.0
_METRICS_CONNECTIONS = 32
# What requests allocate by the thousand is records and texts that stay, and hardly any cycles: with
# Python's own numbers (700, 10, 10) a third of a large first enumeration is garbage collection.
_COLLECTION_THRESHOLDS = (10_000, 20, 20)


class StartError(Exception):
    """An application cannot start; the text is one sentence for the administrator."""


def _print_ready(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the contract with whoever starts the daemon


def run_daemon(
    app_factory: AppFactory,
    listens: Sequence[Listen],
    *,
    ready: Callable[[str], None] = _print_ready,
    afterwards: Callable[[], None] = lambda: None,
    drain: Drain | None = None,
    refresh: Callable[[], None] = lambda: None,
    local_only: bool = False,
    limits: ClientLimits = ClientLimits(),  # noqa: B008 - frozen
    observation: Observation | None = None,
    metrics_listen: Listen | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status.

    ``drain`` is awaited after the first signal, while requests are still answered; it takes no new
    operations and waits for those that run. A second signal ends that, and everything, at once.

    ``app_factory`` is called, and awaited if it is a coroutine, inside the event loop once all
    listeners are bound; it raises StartError when it cannot start. ``ready`` gets the one line
    ``ready <url> [<url> ...]`` when all listeners accept requests. Then ``afterwards`` is called,
    in a thread of its own, for what can wait so long. SIGHUP reads the certificates of the
    listeners anew, for connections that come from then on, and calls ``refresh``.
    ``local_only`` refuses what a browser on this machine sends on behalf of others; ``limits`` are
    those of connections. The pages of ``observation`` are served beside the application, and alone
    on ``metrics_listen``, where nobody is asked who he is. Why it could
    not start is said in one sentence on standard error, and 1 is returned.
    """
    hooks = _Hooks(
        ready=ready,
        afterwards=afterwards,
        drain=drain,
        refresh=refresh,
        wrap=only_local_hosts if local_only else lambda app: app,
        observation=observation or Observation(dict),
        metrics_listen=metrics_listen,
    )
    try:
        return asyncio.run(_run(app_factory, listens, hooks, limits))
    except (ListenError, StartError) as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201 - where the administrator looks
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hooks:
    """What ``run_daemon`` was given besides the application."""

    ready: Callable[[str], None]
    afterwards: Callable[[], None]
    drain: Drain | None
    refresh: Callable[[], None]
    wrap: Callable[[ASGIApp], ASGIApp]
    observation: Observation
    metrics_listen: Listen | None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us and says when it accepts requests.

    It accepts as many connections as ``admission`` lets in, which the servers of a daemon share.
    """

    def __init__(self, config: uvicorn.Config, admission: Admission, limits: ClientLimits) -> None:
        super().__init__(config)
        self._admission = admission
        self._limits = limits
        self.accepting = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End ``serve``."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """As uvicorn's, which wakes up ten times a second to see whether it is to end."""
        # The 0 lets it renew the date that answers have.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _DATE_EVERY_S)

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets=[])
        for sock in sockets or ():
            acceptor = Acceptor(
                sock, self._connection, self._admission, self._limits, lambda: self.config.ssl
            )
            self.servers.append(cast("asyncio.Server", acceptor))
        self.accepting.set()

    @property
    def connections(self) -> set[HttpConnection]:
        """The connections that are open."""
        return cast("set[HttpConnection]", self.server_state.connections)

    def _connection(self) -> HttpConnection:
        return HttpConnection(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Stop:
    """What the signals ask for, and when waiting requests are to end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.ends_waits = asyncio.Event()

    def signal(self) -> None:
        """The first signal asks for an orderly stop, a second one for one at once."""
        (self.at_once if self.asked.is_set() else self.asked).set()


async def _run(
    app_factory: AppFactory,
    listens: Sequence[Listen],
    hooks: _Hooks,
    limits: ClientLimits,
) -> int:
    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    limit_memory()
    admission = Admission(
        most=most_connections(limits.connections, raise_limit()),
        most_of_an_address=limits.connections_per_address,
    )
    stop = _Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.signal)
    # Until everything is read for the first time there is nothing to be read anew.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with AsyncExitStack() as stack:
        bound: list[BoundListener] = []
        for listen in listens:
            bound.append(bind(listen))
            stack.callback(bound[-1].close)
        made = app_factory()
        app = await made if inspect.isawaitable(made) else made
        await stack.enter_async_context(_lifespan(app))
        seen = hooks.observation
        served = seen.beside(ending_waits(app, stop.ends_waits))
        served = guarded(hooks.wrap(served), seen.answers)
        servers = [_Server(_config(served, one.listen, limits), admission, limits) for one in bound]
        connections = Connections(limits, admission)
        seen.admission, seen.watched = admission, connections
        watching = asyncio.create_task(connections.watch([one.connections for one in servers]))
        stack.callback(watching.cancel)
        if hooks.metrics_listen is not None:
            metrics = await stack.enter_async_context(
                _serving_alone(hooks.metrics_listen, seen, limits)
            )
            _log.info("metrics are served at %s/metrics", metrics)

        def hang_up() -> None:
            for server, one in zip(servers, bound, strict=True):
                if server.config.ssl is not None:
                    server.config.ssl = renewed_context(server.config.ssl, one.listen)
                    for connection in tuple(server.connections):
                        connection.prove_anew()
            hooks.refresh()

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        tasks = [
            asyncio.create_task(server.serve(sockets=[one.sock]))
            for server, one in zip(servers, bound, strict=True)
        ]
        stopped = asyncio.create_task(stop.asked.wait())
        started = [asyncio.create_task(server.accepting.wait()) for server in servers]
        await _first(stopped, asyncio.gather(*started), *tasks)
        if all(server.started for server in servers) and not stop.asked.is_set():
            # What was loaded by now stays. Garbage collections that look at it again only make
            # requests wait: 70 ms once a thousand virtual machines are known.
            gc.freeze()
            return_memory()
            hooks.ready("ready " + " ".join(one.url for one in bound))
            loop.run_in_executor(None, hooks.afterwards)
            await _first(stopped, *tasks)
            seen.draining = True
            if hooks.drain is not None:
                await _drained(hooks.drain, stop.at_once)
        stop.ends_waits.set()
        for server in servers:
            server.force_exit = stop.at_once.is_set()
            server.stop()
        await asyncio.gather(*tasks)
        for task in (stopped, *started):
            task.cancel()
    return 0


@asynccontextmanager
async def _serving_alone(
    listen: Listen, observation: Observation, limits: ClientLimits
) -> AsyncIterator[str]:
    """Serve the pages alone, with places of their own, until the block ends; gives the URL."""
    bound = bind(listen)
    admission = Admission(most=_METRICS_CONNECTIONS, most_of_an_address=_METRICS_CONNECTIONS)
    app = guarded(only_local_hosts(observation.alone))
    server = _Server(_config(app, listen, limits), admission, limits)
    watching = asyncio.create_task(Connections(limits, admission).watch([server.connections]))
    serving = asyncio.create_task(server.serve(sockets=[bound.sock]))
    try:
        await server.accepting.wait()
        yield bound.url
    finally:
        server.stop()
        await serving
        watching.cancel()
        bound.close()


async def _drained(drain: Drain, at_once: asyncio.Event) -> None:
    draining = asyncio.ensure_future(drain())
    told = asyncio.create_task(at_once.wait())
    done, _ = await asyncio.wait((draining, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if draining not in done:
        draining.cancel()
        return
    if (error := draining.exception()) is not None:
        _log.error("the application failed while it stopped", exc_info=error)


async def _first(*awaitables: asyncio.Future[Any]) -> None:
    done, _ = await asyncio.wait(awaitables, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


def _config(app: ASGIApp, listen: Listen, limits: ClientLimits) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        lifespan="off",
        http=HttpConnection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(limits.silence_s),
        timeout_graceful_shutdown=_GRACEFUL_STOP_S,
    )
    config.load()
    if listen.kind == "https":
        try:
            config.ssl = tls_context(listen)
        except TlsError as exc:
            raise StartError(str(exc)) from exc
    return config


@asynccontextmanager
async def _lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Run the ASGI lifespan protocol once, whatever the number of listeners."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, incoming.get, outgoing.put)

    task = asyncio.create_task(run())
    await incoming.put({"type": "lifespan.startup"})
    if not await _exchanged(task, outgoing, "startup"):
        yield
        return
    try:
        yield
    finally:
        await incoming.put({"type": "lifespan.shutdown"})
        await _exchanged(task, outgoing, "shutdown")


async def _exchanged(task: asyncio.Task[None], outgoing: asyncio.Queue[Message], step: str) -> bool:
    """Wait for the application's answer; False: it does not speak the lifespan protocol."""
    answer = asyncio.create_task(outgoing.get())
    await asyncio.wait((answer, task), return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        answer.cancel()
        if (error := task.exception()) is None or step == "startup":
            return False  # ASGI: raising at startup means that there is no lifespan to run
        _log.error("the application failed while it stopped", exc_info=error)
        return False
    message = answer.result()
    if message["type"] == f"lifespan.{step}.complete":
        return True
    text = str(message.get("message", "")).strip().splitlines()
    if step == "startup":
        raise StartError(text[-1] if text else "the application failed to start")
    _log.error("the application failed while it stopped: %s", message.get("message"))
    return False
