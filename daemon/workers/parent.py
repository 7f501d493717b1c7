"""The parent of several workers: it starts them, hands connections to them, and stops them."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from virtcim.daemon.admission import Admission
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.descriptors import most_connections, raise_limit
from virtcim.daemon.listener import BoundListener, Listen, ListenError, bind
from virtcim.daemon.logins import Logins
from virtcim.daemon.observation.exposition import Source, collected
from virtcim.daemon.observation.measures import Family
from virtcim.daemon.observation.pages import limits_reached
from virtcim.daemon.tls import TlsError, tls_context
from virtcim.daemon.workers.channel import AnswerFailed, Channel, ChannelLost, Message
from virtcim.daemon.workers.ledger import Ledger
from virtcim.daemon.workers.logins import answer_login
from virtcim.daemon.workers.presence import Presence
from virtcim.daemon.workers.process import WorkerProcess, WorkerProgram, start_worker
from virtcim.daemon.workers.readiness import together
from virtcim.daemon.workers.reception import Counter, Reception
from virtcim.daemon.workers.totals import Totals, families_from_json, families_to_json
from virtcim.daemon.workers.worker import METRICS

__all__ = ["Parent", "run_parent"]

_log = logging.getLogger(__name__)

# A worker that dies again and again is started less and less often.
_BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_HEALTHY_S = 60.0
# After its socket is closed a worker has nothing to do any more.
_END_S = 10.0
# One that does not answer is left out.
_ANSWER_S = 5.0
# Whoever starts takes over what they have left that nobody has taken over yet.
_REMEMBERED_DEAD = 100
_OWN = "parent"
_SILENT = {"ready": False, "reason": "does not answer", "connections": {}}
# How soon it is noticed that a worker is silent.
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What the parent does for its workers.

    ``logins`` checks passwords, where any are asked for; ``sources`` are the metrics of the parent
    itself; ``refresh`` reads anew what it has read.
    """

    program: WorkerProgram
    workers: int
    listens: Sequence[Listen]
    metrics_listen: Listen | None
    limits: ClientLimits
    logins: Callable[[], Logins | None]
    sources: Callable[[Logins | None], Sequence[Source]]
    refresh: Callable[[], None]

    def numbered_listens(self) -> Iterator[tuple[int, Listen]]:
        """The listeners, as connections name them."""
        yield from enumerate(self.listens)
        if self.metrics_listen is not None:
            yield METRICS, self.metrics_listen


def run_parent(parent: Parent) -> int:
    """Serve with several workers until SIGTERM or SIGINT, and return the exit status.

    As ``daemon.run.run_daemon`` does it with one process.
    """
    try:
        for listen in parent.listens:
            if listen.kind == "https":
                tls_context(listen)
        return asyncio.run(_Supervisor(parent).run())
    except (ListenError, TlsError, OSError) as exc:
        print(f"error: {exc}", file=sys.stderr)  # noqa: T201 - where the administrator looks
        return 1


@dataclass(slots=True, eq=False)
class _Life:
    """One worker from its start to its end; ``name`` is that of the server it is."""

    number: int
    worker: WorkerProcess
    name: str
    is_ready: bool = False
    counter: Counter | None = None
    missed: list[str] = field(default_factory=list)  # who died between its start and that
    channel: Channel = field(init=False)
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class _Supervisor:
    """The parent while it runs."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._lives: dict[int, _Life] = {}
        self._ledger = Ledger()
        self._presence = Presence()
        self._totals = Totals()
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._dead: deque[str] = deque(maxlen=_REMEMBERED_DEAD)
        self._failed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        """Start everything, and end when all has ended."""
        parent = self._parent
        loop = asyncio.get_running_loop()
        for which in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(which, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._refresh)
        admission = Admission(
            most=most_connections(parent.limits.connections, raise_limit()),
            most_of_an_address=parent.limits.connections_per_address,
        )
        self._reception = Reception(admission, parent.limits)
        self._logins = parent.logins()
        with ExitStack() as stack:
            bound: dict[int, BoundListener] = {}
            for number, listen in parent.numbered_listens():
                bound[number] = bind(listen)
                stack.callback(bound[number].close)
            if self._logins is not None:
                stack.callback(self._logins.close)
            self._tasks = [
                loop.create_task(self._keep(number + 1)) for number in range(parent.workers)
            ]
            await self._first(self._ready.wait())
            if self._ready.is_set() and not self._stopping.is_set():
                self._reception.open(bound)
                stack.callback(self._reception.close)
                watching = loop.create_task(self._reception.watch())
                stack.callback(watching.cancel)
                urls = [one.url for number, one in bound.items() if number != METRICS]
                if METRICS in bound:
                    _log.info("metrics are served at %s/metrics", bound[METRICS].url)
                print("ready", *urls, flush=True)  # noqa: T201 - the contract of daemons
            await asyncio.gather(*self._tasks)
        return 1 if self._failed else 0

    async def _first(self, coming: Any) -> None:
        """Wait for something, or for the end."""
        waits = [asyncio.ensure_future(coming), asyncio.ensure_future(self._stopping.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()

    def _stop(self, *, at_once: bool = False) -> None:
        """As a signal asks: an orderly stop, and at once when it comes again."""
        if self._stopping.is_set() or at_once:
            asyncio.get_running_loop().call_later(_END_S, self._kill_all)
        self._stopping.set()
        self._tell_all("stop")

    def _kill_all(self) -> None:
        """End the workers that do not stop at once."""
        for life in self._lives.values():
            life.worker.process.kill()

    def _refresh(self) -> None:
        self._parent.refresh()
        self._tell_all("refresh")

    def _tell_all(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        for life in self._lives.values():
            life.channel.tell(Message(kind=kind, values=values or {}))

    async def _keep(self, number: int) -> None:
        """Have a worker of this number, until the daemon stops."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping.is_set():
            began_s = loop.time()
            how = await self._live(number)
            if self._stopping.is_set():
                return
            if not self._ready.is_set():
                # A worker says itself why it cannot start.
                _log.error("worker %d %s before it was ready", number, how)
                self._failed = True
                # Nobody has been served yet, and others may hang as they start.
                self._stop(at_once=True)
                return
            failures = 0 if loop.time() - began_s > _HEALTHY_S else failures + 1
            pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else 0.0
            _log.error(
                "worker %d %s; another one is started%s",
                *(number, how, f" in {pause_s} s" if pause_s else ""),
            )
            await self._first(asyncio.sleep(pause_s))

    async def _live(self, number: int) -> str:
        """Have one worker from its start to its end, and give how it ended."""
        try:
            life = self._begin(number)
        except OSError as error:
            return f"cannot be started: {error}"
        await life.lost.wait()
        self._leave(life)
        how = await life.worker.ended(_END_S)
        # Not before: others take over what it has, and it must not go on with that.
        self._tell_dead(life)
        return f"(process {life.worker.pid}) {how}"

    def _begin(self, number: int) -> _Life:
        name = str(uuid.uuid4())
        worker = start_worker(
            self._parent.program, {"number": number, "server": name, "dead": [*self._dead]}
        )
        life = _Life(number, worker, name)
        life.channel = Channel(
            worker.sock,
            hears={
                "ready": lambda _: self._is_ready(life),
                "closing": lambda _: self._is_closing(life),
                "taken": lambda message: self._of_counter(life, self._reception.taken, message),
                "left": lambda message: self._of_counter(life, self._reception.left, message),
                "shares": partial(self._shares, life),
            },
            answers={
                "announce": partial(self._announce, life),
                "beat": partial(self._beat, life),
                "login": self._login,
                "pass on": self._pass_on,
                "families": self._families,
                "readiness": self._readiness,
            },
            lost=life.lost.set,
        )
        self._lives[number] = life
        return life

    def _leave(self, life: _Life) -> None:
        """Take from a worker that is to be asked no more what it had here."""
        del self._lives[life.number]
        self._presence.leave(life.name)
        if life.counter is not None:
            self._reception.remove(life.counter)
        for client, amounts in self._ledger.remove(life.name):
            self._tell_ready("shares", {"client": client, "amounts": amounts})

    def _tell_dead(self, life: _Life) -> None:
        """Have the others take over what a worker had that has ended."""
        self._dead.append(life.name)
        for other in self._lives.values():
            if not other.is_ready:
                other.missed.append(life.name)
        self._tell_ready("died", {"server": life.name})

    def _is_ready(self, life: _Life) -> None:
        life.is_ready = True
        for client, amounts in self._ledger.others(life.name):
            life.channel.tell(Message(kind="shares", values={"client": client, "amounts": amounts}))
        for server in life.missed:
            life.channel.tell(Message(kind="died", values={"server": server}))
        life.counter = self._reception.add(life.channel)
        if len(self._ready_ones()) == self._parent.workers:
            self._ready.set()
        elif self._ready.is_set():
            _log.info("worker %d (process %d) is ready", life.number, life.worker.pid)

    def _is_closing(self, life: _Life) -> None:
        if life.counter is not None:
            self._reception.retire(life.counter)

    def _of_counter(
        self, life: _Life, note: Callable[[Counter, Message], None], message: Message
    ) -> None:
        if life.counter is not None:
            note(life.counter, message)

    def _ready_ones(self) -> list[_Life]:
        return [one for one in self._lives.values() if one.is_ready]

    def _tell_ready(
        self, kind: str, values: Mapping[str, Any], *, but: _Life | None = None
    ) -> None:
        for life in self._ready_ones():
            if life is not but:
                life.channel.tell(Message(kind=kind, values=values))

    def _shares(self, life: _Life, message: Message) -> None:
        self._ledger.change(life.name, message.values["client"], message.values["amounts"])
        self._tell_ready("shares", message.values, but=life)

    async def _beat(self, life: _Life, _: Message) -> Message:
        return Message(kind="", values={"known": self._presence.beat(life.name)})

    async def _announce(self, life: _Life, message: Message) -> Message:
        """Answer when every other worker that is there shows what this one wrote."""
        others = [one for one in self._lives.values() if one is not life]
        await asyncio.gather(*(self._until_caught_up(one, message.values) for one in others))
        return Message(kind="")

    async def _until_caught_up(self, life: _Life, written: Mapping[str, Any]) -> None:
        """Wait until a worker shows what was written, or nobody waits for it any more."""
        while self._presence.is_there(life.name):
            asked = asyncio.ensure_future(
                life.channel.ask(Message(kind="catch up", values=written))
            )
            while not asked.done() and self._presence.is_there(life.name):
                await asyncio.wait((asked,), timeout=_LOOK_EVERY_S)
            if not asked.done():
                asked.cancel()
            elif asked.exception() is None:
                return
            else:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _login(self, message: Message) -> Message:
        assert self._logins is not None
        return await answer_login(self._logins, message)

    async def _pass_on(self, message: Message) -> Message:
        """Ask another worker for one. Raises ChannelLost, AnswerFailed."""
        life = self._lives.get(message.values["to"])
        if life is None or not life.is_ready:
            raise ChannelLost("there is no such worker")
        return await life.channel.ask(
            Message(kind=message.values["what"], values=message.values["values"], body=message.body)
        )

    async def _families(self, _: Message) -> Message:
        sources = (*self._parent.sources(self._logins), self._limits_reached)
        own = await asyncio.to_thread(collected, sources)
        lives = self._ready_ones()
        answers = await asyncio.gather(*(_asked(life, "families") for life in lives))
        told: dict[str, Sequence[Family]] = {
            life.name: families_from_json(answer.values["families"])
            for life, answer in zip(lives, answers, strict=True)
            if answer is not None
        }
        alive = [_OWN, *(life.name for life in lives)]
        total = self._totals.of({**told, _OWN: own}, alive)
        return Message(kind="", values={"families": families_to_json(total)})

    def _limits_reached(self) -> Iterable[Family]:
        yield limits_reached({"connections": self._reception.admission.refused})

    async def _readiness(self, _: Message) -> Message:
        lives = self._ready_ones()
        answers = await asyncio.gather(*(_asked(life, "readiness") for life in lives))
        told: dict[int, Mapping[str, Any] | None] = dict.fromkeys(
            range(1, self._parent.workers + 1)
        )
        for life, answer in zip(lives, answers, strict=True):
            told[life.number] = _SILENT if answer is None else answer.values
        return Message(kind="", values=together(told))


async def _asked(life: _Life, kind: str) -> Message | None:
    """What a worker says, None where it does not."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await life.channel.ask(Message(kind=kind))
    except (AnswerFailed, ChannelLost, TimeoutError):
        return None
