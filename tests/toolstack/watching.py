"""A client that sees every state of machines, disks and images, as events tell of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import XenAPI

from tests.toolstack.host import events

__all__ = ["States", "watched"]

# All objects of a class by reference, by the class in lower case.
States = dict[str, dict[str, dict[str, Any]]]
_CLASSES = ("vm", "vbd", "vdi")


def watched(session: XenAPI.Session, work: Callable[[], object]) -> Iterator[States]:
    """Do something in another thread, and give what is shown after each batch of its events.

    The last state is one of after its end; what it raises is raised then.
    """
    known: States = {name: {} for name in _CLASSES}
    token = events(session, ["pool"])["token"]
    for name in _CLASSES:
        known[name] = getattr(session.xenapi, name.upper()).get_all_records()
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        ended = False
        while not ended:
            ended = working.done()
            batch = events(session, list(_CLASSES), token, 0.0 if ended else 1.0)
            token = batch["token"]
            for event in batch["events"]:
                if event["operation"] == "del":
                    known[event["class"]].pop(event["ref"], None)
                else:
                    known[event["class"]][event["ref"]] = event["snapshot"]
            yield known
        working.result()
