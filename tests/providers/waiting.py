"""Waiting for what other threads do, with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable

from virtcim.providers import MethodResult, ObjectPath, Providers, Record

DEADLINE_S = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = threading.Event()
    timer = threading.Timer(DEADLINE_S, deadline.set)
    timer.start()
    try:
        while not condition():
            assert not deadline.wait(0.002), "the condition was not met in time"
    finally:
        timer.cancel()


def job_of(result: MethodResult) -> ObjectPath:
    """The job that a method has started."""
    assert result.return_value == 4096
    job = result.output["Job"]
    assert isinstance(job, ObjectPath)
    return job


def ended(providers: Providers, job: ObjectPath) -> Record:
    """The job once it has ended."""
    wait_for(lambda: providers.get_instance(job).values["JobState"] not in (4, 6))
    return providers.get_instance(job)
