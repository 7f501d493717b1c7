"""Sharing what there is so much of between clients, without a number for each of them."""

from __future__ import annotations

__all__ = ["Shares"]


class Shares:
    """Counts what each client has of ``most``; not thread-safe.

    Nobody has more than ``factor`` times what is left then: with 1, whoever is alone can have half,
    each of two a third; with 3, whoever is alone three quarters. So there is always some for one
    more, and clients that take all they can get leave the more the more they are.
    """

    def __init__(self, most: int, *, factor: int) -> None:
        self.most = most
        self._factor = factor
        self.total = 0
        self._of_client: dict[str, int] = {}

    def of(self, client: str) -> int:
        """What a client has."""
        return self._of_client.get(client, 0)

    def has_room(self, client: str) -> bool:
        """Whether a client may have more."""
        left = self.most - self.total
        return self._of_client.get(client, 0) < self._factor * left

    def change(self, client: str, change: int) -> None:
        """Give a client so much more, or less."""
        self.total += change
        has = self._of_client.get(client, 0) + change
        if has:
            self._of_client[client] = has
        else:
            self._of_client.pop(client, None)
