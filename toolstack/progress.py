"""How far an operation is: libvirt is asked now and then while it works, and the task shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libvirt

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.faults import XapiFailure

__all__ = ["following"]

_INTERVAL_S = 0.25


@contextmanager
def following(context: Context, ask: Callable[[], float | None]) -> Iterator[None]:
    """Show on the task of this call what ``ask`` gives (0.0 to 1.0) while the block runs.

    Without a task nothing is asked. Where libvirt cannot tell, the progress stays as it is.
    """
    task = context.task
    if task is None:
        yield
        return
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(_INTERVAL_S):
            try:
                fraction = ask()
            except (libvirt.libvirtError, XapiFailure):
                continue  # not begun, or just over: the operation itself reports what is wrong
            if fraction is not None:
                context.services.tasks.note_progress(task, min(max(fraction, 0.0), 1.0))

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
