"""Running one ASGI application on several listeners until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from virtcim.daemon.acceptor import Acceptor, Entry
from virtcim.daemon.admission import Admission
from virtcim.daemon.asgi import ASGIApp, Message
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.connections import Connections
from virtcim.daemon.doors import Doors, Handed, OwnDoors
from virtcim.daemon.exchanges import ending_waits, guarded
from virtcim.daemon.http_connection import HttpConnection
from virtcim.daemon.listener import (
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
from virtcim.daemon.workers.handed import WorkerDoors
from virtcim.daemon.workers.worker import METRICS, Worker

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
    worker: Worker | None = None,
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
    on ``metrics_listen``, where nobody is asked who he is. A ``worker`` binds nothing: its parent
    hands connections to it, and says when to stop and to read anew. Why it could
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
        worker=worker,
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
    worker: Worker | None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us and says when it accepts requests.

    It accepts as many connections as ``admission`` lets in, which the servers of a daemon share,
    or serves those that are ``handed`` to it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        admission: Admission | None,
        limits: ClientLimits,
        handed: Handed | None = None,
    ) -> None:
        super().__init__(config)
        self._admission = admission
        self._limits = limits
        self._handed = handed
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
        if self._handed is not None:
            self._handed.open(self._entry(self._handed.leave).serve)
            self.servers.append(cast("asyncio.Server", self._handed))
        for sock in sockets or ():
            assert self._admission is not None
            entry = self._entry(self._admission.leave)
            is_tls = self.config.ssl is not None
            acceptor = Acceptor(sock, entry, self._admission, is_tls=is_tls)
            self.servers.append(cast("asyncio.Server", acceptor))
        self.accepting.set()

    def _entry(self, leave: Callable[[str], object]) -> Entry:
        return Entry(self._connection, self._limits, lambda: self.config.ssl, leave)

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


def _refresh(servers: Sequence[_Server], listens: Sequence[Listen], hooks: _Hooks) -> None:
    """Use the certificates and whatever else is read that are there now."""
    for server, listen in zip(servers, listens, strict=True):
        if server.config.ssl is not None:
            server.config.ssl = renewed_context(server.config.ssl, listen)
            for connection in tuple(server.connections):
                connection.prove_anew()
    hooks.refresh()


async def _run(
    app_factory: AppFactory,
    listens: Sequence[Listen],
    hooks: _Hooks,
    limits: ClientLimits,
) -> int:
    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    limit_memory()
    stop = _Stop()
    async with AsyncExitStack() as stack:
        doors = _doors(listens, hooks, limits, stop, stack)
        made = app_factory()
        app = await made if inspect.isawaitable(made) else made
        await stack.enter_async_context(_lifespan(app))
        seen = hooks.observation
        served = seen.beside(ending_waits(app, stop.ends_waits))
        served = guarded(hooks.wrap(served), seen.answers)
        servers = [
            _Server(_config(served, listen, limits), doors.admission, limits, doors.handed(number))
            for number, listen in enumerate(listens)
        ]
        connections = Connections(limits, doors.places)
        seen.admission, seen.watched = doors.places, connections
        watching = asyncio.create_task(connections.watch([one.connections for one in servers]))
        stack.callback(watching.cancel)
        if hooks.metrics_listen is not None:
            handed = doors.handed(METRICS)
            await stack.enter_async_context(
                _serving_alone(hooks.metrics_listen, seen, limits, handed)
            )

        doors.on_hang_up(lambda: _refresh(servers, listens, hooks))
        tasks = [
            asyncio.create_task(server.serve(sockets=[*doors.sockets(number)]))
            for number, server in enumerate(servers)
        ]
        stopped = asyncio.create_task(stop.asked.wait())
        started = [asyncio.create_task(server.accepting.wait()) for server in servers]
        await _first(stopped, asyncio.gather(*started), *tasks)
        if all(server.started for server in servers) and not stop.asked.is_set():
            # What was loaded by now stays. Garbage collections that look at it again only make
            # requests wait: 70 ms once a thousand virtual machines are known.
            gc.freeze()
            return_memory()
            doors.ready(hooks.ready)
            asyncio.get_running_loop().run_in_executor(None, hooks.afterwards)
            await _first(stopped, *tasks)
            seen.draining = True
            if hooks.drain is not None:
                await _drained(hooks.drain, stop.at_once)
        doors.closing()
        stop.ends_waits.set()
        for server in servers:
            server.force_exit = stop.at_once.is_set()
            server.stop()
        await asyncio.gather(*tasks)
        for task in (stopped, *started):
            task.cancel()
    return 0


def _doors(
    listens: Sequence[Listen],
    hooks: _Hooks,
    limits: ClientLimits,
    stop: _Stop,
    stack: AsyncExitStack,
) -> Doors:
    if hooks.worker is None:
        return OwnDoors(listens, limits, stop.signal, stack)
    return WorkerDoors(hooks.worker, stop.signal, stack)


@asynccontextmanager
async def _serving_alone(
    listen: Listen, observation: Observation, limits: ClientLimits, handed: Handed | None
) -> AsyncIterator[None]:
    """Serve the pages alone, with places of their own, until the block ends."""
    bound = None if handed is not None else bind(listen)
    admission = Admission(most=_METRICS_CONNECTIONS, most_of_an_address=_METRICS_CONNECTIONS)
    app = guarded(only_local_hosts(observation.alone))
    server = _Server(_config(app, listen, limits), admission, limits, handed)
    watching = asyncio.create_task(Connections(limits, admission).watch([server.connections]))
    sockets = [] if bound is None else [bound.sock]
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        await server.accepting.wait()
        if bound is not None:
            _log.info("metrics are served at %s/metrics", bound.url)
        yield
    finally:
        server.stop()
        await serving
        watching.cancel()
        if bound is not None:
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
