"""``virtcim users``: who may log in at the daemons, and what they may do."""

from __future__ import annotations

import json
import logging
import os
import pwd
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from virtcim.cli.helptext import Command
from virtcim.cli.passwords import PasswordSourceError, new_password
from virtcim.cli.standard_output import put_out
from virtcim.cli.startup import SYSTEM_USERS
from virtcim.daemon.audit import Audit, AuditEntry, AuditError, Outcome
from virtcim.daemon.passwords import HashedPassword, PasswordError
from virtcim.daemon.roles import Rights, RoleError, parse_rights
from virtcim.daemon.users_file import User, UsersError, change_users, read_users

__all__ = ["app", "register"]

# What a new user may do unless somebody says more: look.
_FIRST_ROLE = "read@*"

app = typer.Typer(
    help=(
        "Who may log in at the daemons, and what they may do."
        "\n\nA role is read, operate or administer, and where: `operate@root/virt/a` in one "
        "namespace of the CIM server, `read@root/*` in all of them, `administer@toolstack` at the "
        "management API, `read@*` or `read` everywhere. The daemons notice a change at once."
        "\n\nExample: virtcim users add ann --role operate"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Name = Annotated[str, typer.Argument(help="The user.")]
_Users = Annotated[Path, typer.Option(help="The users file.", metavar="FILE")]
_AuditFile = Annotated[
    Path | None,
    typer.Option(
        help="File that gets the line about the change; by default it goes to standard error.",
        metavar="FILE",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PasswordFile = Annotated[
    str,
    typer.Option(
        help="File with the password in its first line, - for standard input. Without it the "
        "terminal is asked.",
        metavar="FILE",
    ),
]


def register(application: typer.Typer) -> None:
    """Add the command group ``users``."""
    application.add_typer(app, name="users")


@app.command(cls=Command)
def add(
    name: _Name,
    role: Annotated[
        list[str] | None,
        typer.Option(help="ROLE or ROLE@WHERE; read everywhere by default. May be repeated."),
    ] = None,
    external: Annotated[
        bool,
        typer.Option(
            "--external", help="Without a password here: PAM or a client certificate says who."
        ),
    ] = False,
    password_file: _PasswordFile = "",
    users: _Users = SYSTEM_USERS,
    audit: _AuditFile = None,
    as_json: _Json = False,
) -> None:
    """Add a user, who may read everything unless roles are given.

    The file is made where there is none, for its owner alone.

    Example: virtcim users add ann --role operate@root/virt --role read@root/interop
    """
    rights = _rights(role or [_FIRST_ROLE])
    known = _read(users) if users.exists() else {}
    if name in known:
        raise _failure(f"there is a user {name!r} already; see virtcim users passwd and role")
    password = None if external else _hashed(name, password_file)

    def change(found: dict[str, User]) -> None:
        if name in found:
            raise UsersError(f"there is a user {name!r} already")
        found[name] = User(name=name, password=password, rights=rights)

    _change("add", name, users, audit, change, as_json=as_json)


@app.command(cls=Command)
def passwd(
    name: _Name,
    password_file: _PasswordFile = "",
    users: _Users = SYSTEM_USERS,
    audit: _AuditFile = None,
    as_json: _Json = False,
) -> None:
    """Give a user another password, which ends his sessions.

    Example: virtcim users passwd ann
    """
    _known(name, _read(users))
    password = _hashed(name, password_file)

    def change(found: dict[str, User]) -> None:
        user = _known(name, found)
        found[name] = User(name=name, password=password, rights=user.rights)

    _change("passwd", name, users, audit, change, as_json=as_json)


@app.command(cls=Command)
def role(
    name: _Name,
    roles: Annotated[
        list[str],
        typer.Argument(help="ROLE or ROLE@WHERE, in place of those of before; none for none."),
    ],
    users: _Users = SYSTEM_USERS,
    audit: _AuditFile = None,
    as_json: _Json = False,
) -> None:
    """Say what a user may do from now on.

    Example: virtcim users role ann read operate@root/virt/a
    """
    rights = _rights([] if roles == ["none"] else roles)
    _read(users)  # only add makes the file

    def change(found: dict[str, User]) -> None:
        user = _known(name, found)
        found[name] = User(name=name, password=user.password, rights=rights)

    _change("role", name, users, audit, change, as_json=as_json)


@app.command(cls=Command)
def remove(
    name: _Name,
    users: _Users = SYSTEM_USERS,
    audit: _AuditFile = None,
    as_json: _Json = False,
) -> None:
    """Remove a user, who is out at once.

    Example: virtcim users remove ann
    """

    _read(users)  # only add makes the file

    def change(found: dict[str, User]) -> None:
        del found[_known(name, found).name]

    _change("remove", name, users, audit, change, as_json=as_json)


@app.command("list", cls=Command)
def list_users(users: _Users = SYSTEM_USERS, as_json: _Json = False) -> None:
    """List the users, how they log in, and their roles.

    Example: virtcim users list --json
    """
    found = _read(users).values()
    if as_json:
        _write(json.dumps([_object(user) for user in found], indent=2) + "\n")
    else:
        _print(found)


def _change(
    operation: str,
    name: str,
    path: Path,
    audit_path: Path | None,
    change: Callable[[dict[str, User]], None],
    *,
    as_json: bool,
) -> None:
    """Change the file, leave an audit line, and show what became of the user."""
    try:
        logging.basicConfig(stream=sys.stderr, format="%(message)s")
        audit = Audit("users", audit_path)
    except AuditError as error:
        raise _failure(str(error)) from error
    after: dict[str, User] = {}

    def changed(found: dict[str, User]) -> None:
        change(found)
        after.update(found)

    user, failed = None, True
    try:
        change_users(path, changed)
        user, failed = after.get(name), False
    except UsersError as error:
        raise _failure(str(error)) from error
    finally:
        details: dict[str, object] = {"name": name}
        if user is not None:
            details |= {"login": _login(user), "roles": [*map(str, user.rights.grants)]}
        audit.record(
            AuditEntry(
                operation=f"users {operation}",
                outcome=Outcome.FAILED if failed else Outcome.DONE,
                user=_caller(),
                peer="local",
                target=str(path),
                details=details,
            )
        )
        audit.close()
    if as_json:
        _write(json.dumps({"user": name} if user is None else _object(user)) + "\n")
    elif user is None:
        _write(f"{name} is removed\n")
    else:
        _print([user])


def _rights(roles: Iterable[str]) -> Rights:
    words = [one if "@" in one else f"{one}@*" for one in roles]
    try:
        return parse_rights(",".join(words))
    except RoleError as error:
        raise _failure(str(error)) from error


def _read(path: Path) -> dict[str, User]:
    if not path.exists():
        raise _failure(
            f"there is no users file {path}; name that of the daemon with --users, by default "
            "`users` in its state directory"
        )
    try:
        return read_users(path)[0]
    except UsersError as error:
        raise _failure(str(error)) from error


def _known(name: str, users: dict[str, User]) -> User:
    if name not in users:
        raise _failure(f"there is no user {name!r}; see virtcim users list")
    return users[name]


def _hashed(name: str, password_file: str) -> HashedPassword:
    try:
        return HashedPassword.of(new_password(name, password_file))
    except (PasswordError, PasswordSourceError) as error:
        raise _failure(str(error)) from error


def _caller() -> str:
    """Who runs the command: also behind sudo, where the kernel knows who has logged in."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
        return pwd.getpwuid(uid).pw_name
    except (OSError, ValueError, KeyError, OverflowError):
        pass
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _login(user: User) -> str:
    return "external" if user.password is None else "password"


def _object(user: User) -> dict[str, object]:
    roles = [{"role": one.role.word, "where": one.scopes} for one in user.rights.grants]
    return {"user": user.name, "login": _login(user), "roles": roles}


def _print(users: Iterable[User]) -> None:
    for user in users:
        roles = " ".join(map(str, user.rights.grants)) or "no role"
        _write(f"{user.name}\t{_login(user)}\t{roles}\n")


_write = partial(put_out, "virtcim users")


def _failure(reason: str) -> typer.Exit:
    typer.echo(f"virtcim users: {reason}", err=True)
    return typer.Exit(1)
