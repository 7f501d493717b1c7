"""Passwords are checked by the parent, for all workers: whoever guesses is as slow as with one."""

from __future__ import annotations

from virtcim.daemon.current_request import current_request, request_elsewhere
from virtcim.daemon.logins import Logins, TooManyLogins
from virtcim.daemon.workers.channel import Message
from virtcim.daemon.workers.worker import Worker

__all__ = ["LoginsOfParent", "answer_login"]


class LoginsOfParent:
    """Asks the parent whether passwords are right; counts nothing, as the parent does."""

    failed = 0
    sent_away = 0

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def is_right(self, user: str, password: str, peer: str) -> bool:
        """Whether a password is the user's. Raises TooManyLogins, ChannelLost, AnswerFailed."""
        current = current_request()
        answer = await self._worker.ask(
            "login",
            {
                "user": user,
                "password": password,
                "peer": peer,
                "request": "" if current is None else current.number,
            },
        )
        if answer.values["sent_away"]:
            raise TooManyLogins
        return bool(answer.values["right"])

    def close(self) -> None:
        """There is nothing to be closed."""


async def answer_login(logins: Logins, message: Message) -> Message:
    """Check a password for a worker."""
    given = message.values
    request_elsewhere(given["request"], given["peer"])
    try:
        right = await logins.is_right(given["user"], given["password"], given["peer"])
    except TooManyLogins:
        return Message(kind="", values={"right": False, "sent_away": True})
    return Message(kind="", values={"right": right, "sent_away": False})
