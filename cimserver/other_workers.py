"""The other workers of this server: an open enumeration is pulled at the one that has opened it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from virtcim.cim.cimxml.requests import MethodCall, Request
from virtcim.cim.cimxml.responses import Answer
from virtcim.cimserver.enumerations import Enumerations
from virtcim.cimserver.errors import HttpProblem
from virtcim.cimserver.limits import Limits
from virtcim.cimserver.work import too_much_waits
from virtcim.daemon.current_request import current_request, request_elsewhere
from virtcim.daemon.requester import Requester
from virtcim.daemon.roles import parse_rights
from virtcim.daemon.workers.channel import ChannelLost, Message
from virtcim.daemon.workers.worker import Worker

__all__ = ["Asked", "OtherWorkers", "whole"]

_OWNER = re.compile(r"([0-9]{1,4})-")
_CONTEXT = "enumerationcontext"
_PULL, _SHARES = "pull", "shares"
# Far longer than a pull takes: a worker that hangs keeps nobody else waiting for ever.
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, and who makes it, as the worker sees it that he has met."""

    body: bytes
    requester: Requester
    user_agent: str
    language: str


class OtherWorkers:
    """What this worker asks of the others, and they of it. Used in the event loop."""

    def __init__(self, worker: Worker, *, longest_s: float = _LONGEST_S) -> None:
        self._worker = worker
        self._longest_s = longest_s

    def enumerations(self, limits: Limits, clock: Callable[[], float]) -> Enumerations:
        """Open enumerations whose contexts name this worker, and that count everywhere."""

        def changed(client: str, count: int, held_bytes: int) -> None:
            values = {"client": client, "amounts": [count, held_bytes]}
            self._worker.tell_from_thread(_SHARES, values)

        kept = Enumerations(limits, clock, name=f"{self._worker.number}-", changed=changed)

        def hear(message: Message) -> None:
            count, held_bytes = message.values["amounts"]
            kept.note_elsewhere(message.values["client"], count, held_bytes)

        self._worker.on(_SHARES, hear)
        return kept

    def owner_of(self, request: Request) -> int:
        """The number of another worker that has the enumeration of a request, 0 for none."""
        if isinstance(request, MethodCall):
            return 0
        for parameter in request.parameters:
            if parameter.name.lower() == _CONTEXT and parameter.element is not None:
                found = _OWNER.match(parameter.element.text)
                owner = 0 if found is None else int(found[1])
                return 0 if owner == self._worker.number else owner
        return 0

    async def answer(self, owner: int, asked: Asked) -> Answer | None:
        """What another worker answers, None where there is none such.

        Raises HttpProblem 503 where it has too much to do, or does not answer; AnswerFailed.
        """
        current = current_request()
        values = {
            "user": asked.requester.user,
            "rights": str(asked.requester.rights),
            "peer": asked.requester.peer,
            "user_agent": asked.user_agent,
            "language": asked.language,
            "request": "" if current is None else current.number,
        }
        passed_on = {"to": owner, "what": _PULL, "values": values}
        try:
            async with asyncio.timeout(self._longest_s):
                found = await self._worker.ask("pass on", passed_on, asked.body)
        except ChannelLost:
            # With a worker its enumerations have gone: there is no such context.
            return None
        except TimeoutError as error:
            detail = f"worker {owner}, which has this enumeration, does not answer"
            raise HttpProblem(status=503, detail=detail, headers={"Retry-After": "10"}) from error
        if found.values["refused"]:
            raise too_much_waits()
        return Answer(pieces=[found.body], language=found.values["language"])

    def answer_with(self, answer: Callable[[Asked], Awaitable[Answer]]) -> None:
        """Answer what the others are asked with this."""

        async def pull(message: Message) -> Message:
            values = message.values
            request_elsewhere(values["request"], values["peer"], values["user"])
            requester = Requester(
                user=values["user"], rights=parse_rights(values["rights"]), peer=values["peer"]
            )
            asked = Asked(message.body, requester, values["user_agent"], values["language"])
            try:
                given = await answer(asked)
            except HttpProblem:
                return Message(kind="", values={"refused": True})
            told = {"refused": False, "language": given.language}
            return Message(kind="", values=told, body=b"".join(given.pieces))

        self._worker.answering(_PULL, pull)


def whole(answer: Answer) -> Answer:
    """An answer of which nothing is left to be written."""
    if answer.rest is None:
        return answer
    return Answer(pieces=[*answer.pieces, *answer.rest], language=answer.language)
