"""Whom we log in as at a hypervisor."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Whom we log in as; both empty where the socket itself is trusted."""

    username: str = ""
    password: str = field(default="", repr=False)
