"""Who may do what, where: what no grant gives is not allowed."""

from __future__ import annotations

import pytest

from virtcim.daemon.roles import (
    EVERYTHING,
    NOTHING,
    Role,
    RoleError,
    may_touch,
    parse_rights,
)

_SCOPES = ("root/virt", "root/virt/a", "root/virt/b", "root/interop", "toolstack")


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("", (None, None, None, None, None)),
        ("read@*", (1, 1, 1, 1, 1)),
        ("administer@*", (3, 3, 3, 3, 3)),
        ("read@root/virt", (1, None, None, None, None)),
        ("operate@ROOT/Virt/A", (None, 2, None, None, None)),
        ("read@root/virt/*", (None, 1, 1, None, None)),
        ("read@root/virt*", (1, 1, 1, None, None)),
        ("read@*,administer@root/virt/b", (1, 1, 3, 1, 1)),
        ("administer@root/virt/b,read@*", (1, 1, 3, 1, 1)),
        ("administer@toolstack", (None, None, None, None, 3)),
        ("read@root.virt", (None, None, None, None, None)),
    ],
)
def test_the_greatest_role_that_a_grant_gives_counts(
    text: str, roles: tuple[int | None, ...]
) -> None:
    rights = parse_rights(text)
    assert tuple(map(rights.role, _SCOPES)) == roles
    assert parse_rights(str(rights)) == rights
    for scope, role in zip(_SCOPES, roles, strict=True):
        assert [rights.may(one, scope) for one in Role] == [one <= (role or 0) for one in Role]


def test_all_scopes_count_where_all_are_asked_for() -> None:
    rights = parse_rights("read@root/virt*")
    assert rights.may_everywhere(Role.READ, _SCOPES[:3])
    assert not rights.may_everywhere(Role.READ, _SCOPES)
    assert EVERYTHING.may_everywhere(Role.ADMINISTER, _SCOPES)
    assert not NOTHING.may_everywhere(Role.READ, _SCOPES[:1])


@pytest.mark.parametrize("text", ["@*", "owner@*", "Read@*", "read@*,"])
def test_what_is_no_role_is_refused_by_name(text: str) -> None:
    with pytest.raises(RoleError, match="is no role: it is read, operate or administer"):
        parse_rights(text)


@pytest.mark.parametrize("text", ["read", "read@", "read@a b", "read@*\n", "read@a:b"])
def test_a_role_that_is_nowhere_is_refused_by_name(text: str) -> None:
    with pytest.raises(RoleError) as caught:
        parse_rights(text)
    assert str(caught.value).startswith(f"{text!r} must say where, as in read@* or")


@pytest.mark.parametrize(
    ("text", "own", "of_others"),
    [
        ("", False, False),
        ("read@root/interop", True, False),
        ("operate@*", True, False),
        ("administer@root/virt", False, False),
        ("administer@root/interop", True, True),
    ],
)
def test_what_others_have_made_is_for_administrators(text: str, own: bool, of_others: bool) -> None:
    rights = parse_rights(text)
    for owner, allowed in (("ann", own), ("bob", of_others), ("", of_others)):
        assert may_touch(rights, user="ann", owner=owner, scope="root/interop") is allowed
