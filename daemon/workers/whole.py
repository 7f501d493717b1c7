"""The daemon that a worker is one of, as whoever asks this worker sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from virtcim.daemon.observation.measures import Family
from virtcim.daemon.observation.pages import Observation
from virtcim.daemon.workers.channel import Message
from virtcim.daemon.workers.totals import families_from_json, families_to_json
from virtcim.daemon.workers.worker import Worker

__all__ = ["WholeDaemon"]


class WholeDaemon:
    """Asks the parent, which asks all workers; tells it what this one has seen."""

    def __init__(self, worker: Worker, own: Observation) -> None:
        self._worker = worker
        self._own = own
        worker.answering("families", self._own_families)
        worker.answering("readiness", self._own_readiness)

    async def families(self) -> Sequence[Family]:
        """What all workers and the parent have counted. Raises ChannelLost, AnswerFailed."""
        return families_from_json((await self._worker.ask("families")).values["families"])

    async def readiness(self) -> Mapping[str, object]:
        """Whether all workers can answer everything. Raises ChannelLost, AnswerFailed."""
        return (await self._worker.ask("readiness")).values

    async def _own_families(self, _: Message) -> Message:
        families = families_to_json(await self._own.families())
        return Message(kind="", values={"families": families})

    async def _own_readiness(self, _: Message) -> Message:
        return Message(kind="", values=self._own.readiness())
