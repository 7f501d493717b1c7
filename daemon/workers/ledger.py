"""What each worker has given to which client, so that all of them know what he has in all."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Ledger"]

Amounts = list[int]


class Ledger:
    """The amounts of each client at each worker, by the name of its life."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Amounts]] = {}

    def change(self, life: str, client: str, changes: Amounts) -> None:
        """A worker has given a client so much more, or less."""
        clients = self._of.setdefault(life, {})
        before = clients.get(client, [0] * len(changes))
        after = [a + b for a, b in zip(before, changes, strict=True)]
        if any(after):
            clients[client] = after
        else:
            clients.pop(client, None)

    def remove(self, life: str) -> Iterator[tuple[str, Amounts]]:
        """A worker has ended: what is to be taken off for each client."""
        for client, amounts in self._of.pop(life, {}).items():
            yield client, [-one for one in amounts]

    def others(self, life: str) -> Iterator[tuple[str, Amounts]]:
        """What clients have at the workers but one."""
        for other, clients in self._of.items():
            if other != life:
                yield from clients.items()
