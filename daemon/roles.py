"""What a user may do, and where: roles in scopes.

A role includes the ones before it. A grant gives a role in the scopes that a pattern names: the
namespaces of the CIM server (``root/virt``, ``root/virt/*``, ``root/interop``), and ``toolstack``,
the one scope of the management API. ``*`` stands for any characters, so ``*`` alone for every
scope. What no grant gives is not allowed.

How to use it: ask the rights of whoever asks for the least role that an operation needs, in the
scope that it reads or changes; an operation over several scopes asks for each of them::

    if not rights.may(Role.READ, "root/virt"):
        raise ...                          # CIM_ERR_ACCESS_DENIED, RBAC_PERMISSION_DENIED

For what users have made themselves (a subscription, an open enumeration) keep the name of its
user beside it, and let ``may_touch`` decide::

    may_touch(rights, user="ann", owner=subscription.owner, scope="root/interop")

Where nobody has to log in everybody has EVERYTHING, and is the user "".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "TOOLSTACK",
    "Grant",
    "Rights",
    "Role",
    "RoleError",
    "may_touch",
    "parse_rights",
]

TOOLSTACK = "toolstack"
"""The scope of the management API."""

_SCOPES = re.compile(r"[A-Za-z0-9._/*-]+")
_MOST_PATTERNS = 1024


class RoleError(Exception):
    """Roles cannot be read; the text is one sentence for the administrator."""


class Role(IntEnum):
    """What a user may do; each role includes the ones before."""

    READ = 1
    """See everything, and be told of changes."""
    OPERATE = 2
    """Start, stop, pause and resume what is there; end jobs."""
    ADMINISTER = 3
    """Define, change and destroy machines, storage and networks; what others have made."""

    @property
    def word(self) -> str:
        """The role as it is written."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role in the scopes that a pattern names, in any case; ``*`` is any characters."""

    role: Role
    scopes: str

    def __str__(self) -> str:
        return f"{self.role.word}@{self.scopes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The grants of one user."""

    grants: tuple[Grant, ...]

    def __str__(self) -> str:
        """Give what ``parse_rights`` reads."""
        return ",".join(map(str, self.grants))

    def role(self, scope: str) -> Role | None:
        """The greatest role in a scope, None where there is none."""
        # Asked with each request, mostly of one grant everywhere.
        greatest: Role | None = None
        for one in self.grants:
            is_greater = greatest is None or one.role > greatest
            if is_greater and (one.scopes == "*" or _pattern(one.scopes).fullmatch(scope)):
                greatest = one.role
        return greatest

    def may(self, needed: Role, scope: str) -> bool:
        """Whether they hold a role in a scope, or a greater one."""
        role = self.role(scope)
        return role is not None and role >= needed

    def may_everywhere(self, needed: Role, scopes: Iterable[str]) -> bool:
        """Whether they hold a role in all of the scopes."""
        # Scopes may be hundreds, and it is asked for each list.
        if any(one.scopes == "*" and one.role >= needed for one in self.grants):
            return True
        return all(self.may(needed, scope) for scope in scopes)


EVERYTHING = Rights(grants=(Grant(role=Role.ADMINISTER, scopes="*"),))
NOTHING = Rights(grants=())


def may_touch(rights: Rights, *, user: str, owner: str, scope: str) -> bool:
    """Whether a user may see, change and remove what ``owner`` has made in a scope.

    One's own needs the role read, what others made the role administer.
    """
    return rights.may(Role.READ if user == owner else Role.ADMINISTER, scope)


def parse_rights(text: str) -> Rights:
    """Read ``read@*,operate@root/virt/a``; nothing is no right at all. Raises RoleError."""
    return Rights(grants=tuple(_grant(one) for one in text.split(",")) if text else ())


def _grant(text: str) -> Grant:
    word, _, scopes = text.partition("@")
    words = [role.word for role in Role]
    if word not in words:
        raise RoleError(f"{word!r} is no role: it is {', '.join(words[:-1])} or {words[-1]}")
    if not _SCOPES.fullmatch(scopes):
        raise RoleError(f"{text!r} must say where, as in read@* or operate@root/virt/a")
    return Grant(role=Role[word.upper()], scopes=scopes)


@lru_cache(_MOST_PATTERNS)
def _pattern(scopes: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, scopes.split("*"))), re.IGNORECASE | re.DOTALL)
