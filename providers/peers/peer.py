"""One peer: when it joins, beats and is struck off, what it says and hears. Without any thread.

Of two that meet on a board in any order: either the writer sees the other one there, and waits
until that has shown what was written; or the other one has joined after the writer looked, so what
it catches up with then is everything that was written before.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from functools import partial

from virtcim.providers.peers.awaited import Awaited
from virtcim.providers.peers.board import Board, Said
from virtcim.providers.peers.contract import EVERYTHING, Shows, Written
from virtcim.providers.peers.standing import SILENCE_S, Standing

__all__ = ["Peer"]

_log = logging.getLogger(__name__)


class Peer:
    """This process among the peers of a board.

    ``join``, ``leave``, ``beat`` and ``hear`` are called by one thread, everything else by any.
    What the board raises is raised.
    """

    def __init__(
        self,
        board: Board,
        shows: Shows,
        *,
        name: str,
        standing: Standing | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.standing = standing or Standing()
        self.awaited = Awaited()
        self._board = board
        self._shows = shows
        self._name = name
        self._new_id = new_id
        self._id = ""
        self._life = 0
        self._born_s = 0.0
        self._beat = 0
        self._sent_s: dict[int, float] = {}
        # The beat of each other one as it was last seen, and since when.
        self._seen: dict[str, tuple[int, float]] = {}

    def join(self) -> None:
        """Be waited for from now on, by a name of its own; and see what was written before."""
        self._life = self.standing.join()
        self._id, self._beat, self._sent_s = self._new_id(), 0, {}
        self._born_s = self.standing.now()
        self._board.join(self._id, self._name)
        self._shows.catch_up(EVERYTHING, partial(self.standing.caught_up, self._life))

    def leave(self) -> None:
        """Be waited for no more."""
        self.standing.leave()
        self._board.leave(self._id)

    @property
    def unheard_s(self) -> float:
        """For how long not even what it says itself has been heard."""
        return self.standing.now() - max(self._born_s, self.standing.heard_s)

    def beat(self) -> None:
        """Show that it is alive, and strike off who is not."""
        self._beat += 1
        self._sent_s[self._beat] = self.standing.now()
        present = self._board.beat(self._id, self._beat)
        if present is None:
            _log.warning("the other servers have taken this one for dead")
            self.join()
            return
        now = self.standing.now()
        before, self._seen = self._seen, {}
        for one in present:
            beat, since = before.get(one.id, (one.beat, now))
            self._seen[one.id] = (one.beat, since if beat == one.beat else now)
            if now - self._seen[one.id][1] >= SILENCE_S:
                _log.warning("nobody waits for %s any more: it is silent", one.name)
                self._board.strike_off(one.id, one.beat)

    def hear(self, said: Said) -> None:
        """Take what was said, also what it has said itself."""
        match said:
            case {"beat": int(beat), "by": self._id}:
                self.standing.confirm(self._life, self._sent_s.pop(beat))
            case {"reached": int(number), "of": self._id, "by": str(by)}:
                self.awaited.reached(number, by)
            case {"wrote": int(number), "what": [*what], "by": str(by)} if by != self._id:
                written = [Written(namespace, position) for namespace, position in what]
                answer = {"reached": number, "of": by}
                self._shows.catch_up(written, partial(self._say, answer))

    def _say(self, said: Said) -> None:
        self._board.say(self._id, said)

    def ask(self, number: int, written: Sequence[Written]) -> Collection[str]:
        """Tell of a write whoever is there, and await them; gives their names.

        To be asked again while somebody is missing: who has died is then not there any more, and
        what was lost on the way is said again.
        """
        what = [[each.namespace, each.position] for each in written]
        names = self._board.tell(self._id, {"wrote": number, "what": what})
        self.awaited.expect(number, names)
        return names.values()
