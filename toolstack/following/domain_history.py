"""What has happened to domains, as far as it was seen: by libvirt's events, and by looking.

It is kept in the state directory, and believed after a restart as long as nothing speaks against
it: the same state, and the same run.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import libvirt

from virtcim.toolstack.following.reboots import Reboots
from virtcim.toolstack.reading.views import DomainView, DomainXml, IoErrorView
from virtcim.toolstack.state import State

__all__ = ["DomainHistory"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What is looked at right after a call is seen before the event of it arrives.
_SAME_CHANGE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """What is known of one domain; times are None where nobody saw it."""

    condition: str
    reason: int
    id: int  # of the run; -1 while it does not run
    boot: str  # of the host
    since: datetime | None = None
    started: datetime | None = None
    panicked: datetime | None = None
    watchdog: str = ""  # what its watchdog did last in this run
    watchdog_at: datetime | None = None
    disk_errors: Mapping[str, str] = field(default_factory=dict)  # by device alias
    # The same as events in QEMU's form, with the time as text.
    io_errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_worth_keeping(self) -> bool:
        return bool(
            self.since or self.started or self.panicked or self.watchdog or self.disk_errors
        )

    def to_fields(self) -> dict[str, Any]:
        return {
            "condition": self.condition,
            "reason": self.reason,
            "id": self.id,
            "boot": self.boot,
            "watchdog": self.watchdog,
            "disk_errors": dict(self.disk_errors),
            "io_errors": dict(self.io_errors),
            **{name: _text(getattr(self, name)) for name in _TIMES},
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> _Life:
        return cls(**{**fields, **{name: _time(fields[name]) for name in _TIMES}})


# There are thousands that do not run and of which nobody has seen anything.
@lru_cache(maxsize=1 << 8)
def _unseen(condition: str, reason: int, run: int, boot: str) -> _Life:
    return _Life(condition=condition, reason=reason, id=run, boot=boot)


_TIMES = ("since", "started", "panicked", "watchdog_at")


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class DomainHistory:
    """The history of all domains by UUID; safe to use from many threads."""

    def __init__(self, state: State) -> None:
        self.reboots = Reboots()
        self._state = state
        self._lock = threading.Lock()
        self._changed: dict[str, datetime] = {}
        self._started: dict[str, datetime] = {}
        self._watched: set[str] = set()
        self._fired: dict[str, str] = {}  # what a watchdog did last, until the next start
        self._went_on: set[str] = set()  # which left the state that was seen last
        self._panics: set[str] = set()  # whose guest panicked since its start
        self._boot = _boot_id()
        self._lives = {
            uuid: life
            for uuid, life in state.domain_histories(_Life.from_fields).items()
            # No run outlives its host.
            if life.id == -1 or life.boot == self._boot
        }

    # What events say, on libvirt's event thread

    def started(self, uuid: str, run: int, time: datetime) -> None:
        """A run begins; what happened in an earlier one is over."""
        with self._lock:
            self._changed[uuid] = self._started[uuid] = time
            self._fired.pop(uuid, None)
            self._panics.discard(uuid)
            # A look may have seen it before its event came.
            self._put(uuid, self._of(uuid, run))

    def changed(self, uuid: str, time: datetime) -> None:
        """The state of the domain has changed."""
        with self._lock:
            self._changed[uuid] = time

    def resumed(self, uuid: str, time: datetime) -> None:
        """The domain goes on; that changes nothing where it only restarts."""
        self.reboots.resumed(uuid)
        with self._lock:
            known = self._lives.get(uuid)
            if known is None or known.condition != "running" or uuid in self._changed:
                self._changed[uuid] = time
                self._went_on.add(uuid)

    def panicked(self, uuid: str, run: int, time: datetime) -> None:
        """The guest panicked."""
        self.reboots.crashed(uuid)
        with self._lock:
            self._panics.add(uuid)
            self._put(uuid, replace(self._of(uuid, run), panicked=time))

    def saw_panic(self, uuid: str) -> bool:
        """Whether the guest of a domain panicked since its start."""
        with self._lock:
            return uuid in self._panics

    def watchdog_expired(self, uuid: str, run: int, action: str, time: datetime) -> None:
        """The watchdog of the guest did something."""
        if action == "reset":
            self.reboots.reset(uuid)
        with self._lock:
            self._fired[uuid] = action
            self._put(uuid, replace(self._of(uuid, run), watchdog=action, watchdog_at=time))

    def watchdog_of(self, uuid: str) -> str:
        """Give what the watchdog of a domain did last since its start; nothing: it did nothing."""
        with self._lock:
            return self._fired.get(uuid, "")

    def disk_failed(
        self, uuid: str, run: int, alias: str, text: str, event: Mapping[str, Any], time: datetime
    ) -> bool:
        """An error of a disk was told to the guest; gives whether that is news."""
        with self._lock:
            known = self._of(uuid, run)
            if alias in known.disk_errors:
                return False
            told = {"time": time.isoformat(), "event": dict(event)}
            self._put(
                uuid,
                replace(
                    known,
                    disk_errors={**known.disk_errors, alias: text},
                    io_errors={**known.io_errors, alias: told},
                ),
            )
            return True

    def disk_changed(self, uuid: str, alias: str) -> None:
        """A disk has another image, or is gone."""
        with self._lock:
            known = self._lives.get(uuid)
            if known is not None and alias in known.disk_errors:
                rest = {name: text for name, text in known.disk_errors.items() if name != alias}
                told = {name: event for name, event in known.io_errors.items() if name != alias}
                self._put(uuid, replace(known, disk_errors=rest, io_errors=told))

    # What the inventory does

    def look(self, view: DomainView, now: datetime) -> DomainView:
        """Note how a domain is, and add what is known of how it came to that."""
        with self._lock:
            known = self._lives.get(view.uuid)
            life = self._life_of(view, known, now)
            self._watched.add(view.uuid)
            self._put(view.uuid, life)
        if not life.is_worth_keeping:
            return view  # nothing is known that could be added
        return replace(
            view,
            since=life.since,
            started=life.started,
            panicked=life.panicked,
            watchdog=life.watchdog,
            watchdog_at=life.watchdog_at,
            io_errors=_io_errors(view.live, life.io_errors),
            live=view.live and _with_errors(view.live, view.live, life.disk_errors),
            config=_with_errors(view.config, view.live, life.disk_errors),
        )

    def forget(self, uuid: str) -> None:
        """The domain is gone."""
        self.reboots.forget(uuid)
        with self._lock:
            self._changed.pop(uuid, None)
            self._started.pop(uuid, None)
            self._fired.pop(uuid, None)
            self._went_on.discard(uuid)
            self._panics.discard(uuid)
            self._watched.discard(uuid)
            if self._lives.pop(uuid, None) is not None:
                self._state.set_domain_history(uuid, None)

    def keep_only(self, domains: Collection[str]) -> None:
        """Forget all domains but these."""
        for uuid in self._lives.keys() - set(domains):
            self.forget(uuid)

    def blind(self) -> None:
        """The connection was lost: what changes from now on is not seen."""
        with self._lock:
            self._watched.clear()
            self._changed.clear()
            self._started.clear()
            self._went_on.clear()

    def _life_of(self, view: DomainView, known: _Life | None, now: datetime) -> _Life:
        changed = self._changed.pop(view.uuid, None)
        started = self._started.pop(view.uuid, None)
        condition = _condition(view)
        same = known is not None and known.id == view.id
        same = same and known is not None and _is_same(known, condition, view.reason)
        if view.uuid in self._went_on:
            # Stopped again before anybody looked, it is in the same state for the second time.
            self._went_on.discard(view.uuid)
            same = False
        since = known.since if same and known is not None else None
        if changed is not None:
            if since is None or abs(changed - since) > _SAME_CHANGE:
                since = changed
        elif not same and view.uuid in self._watched:
            since = now
        if known is None and since is None and started is None:
            return _unseen(condition, view.reason, view.id, self._boot)
        life = self._of(view.uuid, view.id)
        begun = life.started
        if begun is None and known is not None and known.id != view.id:
            # Whoever has started it need not wait for libvirt's event to know when.
            begun = now if view.uuid in self._watched else None
        if started is not None and (begun is None or abs(started - begun) > _SAME_CHANGE):
            begun = started
        return replace(
            life,
            condition=condition,
            # libvirtd forgets, when it restarts, why a domain does not run.
            reason=life.reason if same else view.reason,
            since=since,
            started=None if view.live is None else begun,
        )

    def _of(self, uuid: str, run: int) -> _Life:
        known = self._lives.get(uuid)
        if known is None or known.id != run:
            return _Life(condition="", reason=0, id=run, boot=self._boot)
        return known

    def _put(self, uuid: str, life: _Life) -> None:
        known = self._lives.get(uuid)
        if life == known:
            return
        self._lives[uuid] = life
        if life.is_worth_keeping:
            self._state.set_domain_history(uuid, life.to_fields())
        elif known is not None and known.is_worth_keeping:
            self._state.set_domain_history(uuid, None)


def _condition(view: DomainView) -> str:
    if view.live is None:
        return "saved" if view.saved else "off"
    return _CONDITIONS.get(view.state, "running")


_CONDITIONS = {
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_CRASHED: "paused",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "asleep",
}


def _is_same(known: _Life, condition: str, reason: int) -> bool:
    if known.condition != condition:
        return False
    return condition != "off" or reason in (known.reason, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN)


def _with_errors(
    document: DomainXml, live: DomainXml | None, errors: Mapping[str, str]
) -> DomainXml:
    if not errors or live is None:
        return document
    of_targets = {live.aliases.get(alias, alias): text for alias, text in errors.items()}
    disks = tuple(
        replace(disk, problem=of_targets.get(disk.target, disk.problem)) for disk in document.disks
    )
    return replace(document, disks=disks)


def _io_errors(
    live: DomainXml | None, told: Mapping[str, Mapping[str, Any]]
) -> tuple[IoErrorView, ...]:
    """What was told, with the target of each disk instead of libvirt's alias."""
    if live is None:
        return ()
    return tuple(
        IoErrorView(
            time=datetime.fromisoformat(one["time"]),
            event={
                **one["event"],
                "data": {**one["event"]["data"], "device": live.aliases.get(alias, alias)},
            },
        )
        for alias, one in told.items()
    )


def _boot_id() -> str:
    """What changes when the host restarts: then no run is the same any more."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
