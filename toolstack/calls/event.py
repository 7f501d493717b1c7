"""Events (XenAPI ``event.from`` and ``event.inject``)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.database import Change, Changes
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import XapiFailure, handle_invalid
from virtcim.toolstack.waiter import Waiter
from virtcim.wire.application import ClientInfo

__all__ = ["EVENT_CALLS"]

EVENT_CALLS = CallTable()

# How soon a client that went away is noticed, and the longest that one poll may last.
_LOOK_S = 5.0
_LONGEST_S = 3600.0

# XAPI takes class names in any case, and gives them in lower case.
_CLASS_NAMES = {name.lower(): name for name in CLASSES if name != "session"}


@EVENT_CALLS.add("event.from", "set classes, string token, float timeout")
async def event_from(
    context: Context,
    classes: list[str],
    token: str,
    timeout: float,  # noqa: ASYNC109
) -> dict[str, object]:
    """Give what changed since ``token``; waits up to ``timeout`` seconds if nothing did.

    Raises ``EVENT_FROM_TOKEN_PARSE_FAILURE``, ``EVENT_SUBSCRIPTION_PARSE_FAILURE``, and as soon
    as the connection to libvirt is lost the failure that says so.
    """
    services = context.services
    wanted, class_names = _subscription(classes)
    try:
        generation = services.database.generation_of(token)
    except ValueError:
        raise XapiFailure("EVENT_FROM_TOKEN_PARSE_FAILURE", token) from None
    deadline = time.monotonic() + min(max(timeout, 0.0), _LONGEST_S)
    async with Waiter(services.database) as changed, _waking(context.client, changed.wake):
        while True:
            services.connection.require()
            services.sessions.require(context.session)
            look = partial(services.database.changes_since, generation, wanted)
            # Where thousands of records are still to be made others need not wait for it.
            found = look() if services.database.is_made(class_names) else await context.run(look)
            if found is None:
                await changed.wait(_LOOK_S)
                continue
            remaining_s = deadline - time.monotonic()
            over = remaining_s <= 0 or context.client.disconnected.is_set()
            if found.changes or over:
                return _batch(found, class_names)
            await changed.wait(min(remaining_s, _LOOK_S))


@asynccontextmanager
async def _waking(client: ClientInfo, wake: Callable[[], None]) -> AsyncIterator[None]:
    """Wake as soon as the client goes away, or is to go because the server stops."""
    gone = asyncio.create_task(client.disconnected.wait())
    gone.add_done_callback(lambda _: wake())
    try:
        yield
    finally:
        gone.cancel()


def _subscription(classes: list[str]) -> tuple[Callable[[str, str], bool], list[str]]:
    """Give who is wanted, and the classes concerned: ``*``, ``vm`` or ``vm/OpaqueRef:...``."""
    whole: set[str] = set()
    single: set[tuple[str, str]] = set()
    for subscription in classes:
        name, slash, ref = subscription.partition("/")
        if not name or (slash and not ref) or (name == "*" and slash):
            raise XapiFailure("EVENT_SUBSCRIPTION_PARSE_FAILURE", subscription)
        if name == "*":
            whole.update(_CLASS_NAMES.values())
        elif name.lower() in _CLASS_NAMES:  # classes that are not served have no events
            class_name = _CLASS_NAMES[name.lower()]
            if slash:
                single.add((class_name, ref))
            else:
                whole.add(class_name)

    def wanted(class_name: str, ref: str) -> bool:
        return class_name in whole or (class_name, ref) in single

    return wanted, sorted(whole | {class_name for class_name, _ in single})


def _batch(found: Changes, class_names: list[str]) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "events": [_event(change, now) for change in found.changes],
        "valid_ref_counts": {name.lower(): str(found.counts[name]) for name in class_names},
        "token": found.token,
    }


def _event(change: Change, now: datetime) -> dict[str, object]:
    event: dict[str, object] = {
        "id": str(change.generation),
        "timestamp": now,
        "class": change.class_name.lower(),
        "operation": change.operation,
        "ref": change.ref,
        "obj_uuid": change.uuid,
    }
    if change.record is not None:
        event["snapshot"] = change.record
    return event


@EVENT_CALLS.add("event.inject", "string class, string ref", inline=True)
def inject(context: Context, class_name: str, ref: str) -> str:
    """Make an event on an object, and give the token at which it stands."""
    known = _CLASS_NAMES.get(class_name.lower())
    token = None if known is None else context.services.database.touch(known, ref)
    if token is None:
        raise handle_invalid(class_name, ref)
    return token


def _deprecated(_context: Context, *_arguments: object) -> None:
    raise XapiFailure("MESSAGE_DEPRECATED")


for _name, _signature in (
    ("event.register", "set classes"),
    ("event.unregister", "set classes"),
    ("event.next", ""),
):
    EVENT_CALLS.add(_name, _signature, inline=True)(_deprecated)
