"""What waits to be told of stays bounded, and loses no state that can still be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.providers.simulated_population import inventory
from virtcim.cim.value_maps import JobState
from virtcim.hypervisor.model import Inventory
from virtcim.providers.indications.news import JobNews, NewsQueue, OperationFailed
from virtcim.providers.state.job import Job

NOW = datetime(2026, 11, 30, tzinfo=UTC)
JOB = Job(
    uuid="job",
    namespace="root/virt",
    name="RequestStateChange",
    state=JobState.RUNNING,
    submitted=NOW,
    changed=NOW,
    updated=NOW,
)


def queue() -> NewsQueue:
    return NewsQueue(lambda: None)


def test_every_inventory_waits_until_there_are_very_many_then_the_newest_counts() -> None:
    waiting, first = queue(), inventory(1)
    for generation in range(100):
        waiting.put(replace(first, generation=generation))
    taken = waiting.take()
    generations = [each.generation for each in taken if isinstance(each, Inventory)]
    assert generations == [*range(63), 99]
    assert not waiting.take()
    waiting.put(first)
    assert waiting.take() == [first]


def test_the_states_of_a_job_wait_and_its_progress_is_the_newest() -> None:
    waiting = queue()
    for percent in range(50):
        waiting.put(JobNews("job", replace(JOB, percent_complete=percent)))
    ended = replace(JOB, state=JobState.COMPLETED, percent_complete=100)
    waiting.put(JobNews("job", ended))
    waiting.put(JobNews("job", None))
    assert waiting.take() == [
        JobNews("job", replace(JOB, percent_complete=49)),
        JobNews("job", ended),
        JobNews("job", None),
    ]


def test_of_very_many_changes_of_jobs_the_newest_of_each_job_waits() -> None:
    waiting, state = queue(), inventory(1)
    waiting.put(state)
    for _ in range(6_000):
        waiting.put(JobNews("one", JOB))
        waiting.put(JobNews("two", JOB))
    taken = waiting.take()
    assert taken[0] is state
    assert len(taken) < 4_000
    assert [each.uuid for each in taken[-2:] if isinstance(each, JobNews)] == ["one", "two"]


def test_failures_beyond_very_many_are_given_up() -> None:
    waiting = queue()
    for _ in range(1_500):
        waiting.put(OperationFailed(JOB))
    assert len(waiting.take()) == 1_000
