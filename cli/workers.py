"""``virtcim serve --workers``: one parent, and processes that each serve as ``serve`` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from typing import Any

import typer

from virtcim.cli.startup import usable
from virtcim.daemon.access import Access
from virtcim.daemon.client_limits import ClientLimits
from virtcim.daemon.listener import Listen
from virtcim.daemon.logins import Logins
from virtcim.daemon.observation.exposition import Source
from virtcim.daemon.observation.program import program_families
from virtcim.daemon.workers.parent import Parent, run_parent
from virtcim.daemon.workers.process import WorkerProgram
from virtcim.daemon.workers.worker import Worker
from virtcim.providers import Colleagues, StateDatabase, StateError

__all__ = ["OneOfSeveral", "serve_with_workers"]

_OWN_OPTIONS = frozenset({"workers", "config"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOfSeveral:
    """This process as one of so many workers."""

    worker: Worker
    workers: int
    colleagues: Colleagues


def serve_with_workers(
    context: typer.Context,
    workers: int,
    state: str,
    access: Access,
    *,
    metrics_listen: Listen | None,
    limits: ClientLimits,
) -> int:
    """Be the parent of so many workers that are given the options of this command.

    Gives the exit status.
    """
    with usable(StateError):
        database = StateDatabase(state)
        with closing(database):
            held = database.hand_over()
            program = WorkerProgram(
                command=[sys.executable, "-m", "virtcim.cli.worker"],
                instructions={"workers": workers, "arguments": [*_arguments(context)]},
                environment=_environment(context),
                inherited=() if held is None else (held,),
            )
            return run_parent(
                Parent(
                    program=program,
                    workers=workers,
                    listens=access.listens,
                    metrics_listen=metrics_listen,
                    limits=limits,
                    logins=lambda: _logins(access),
                    sources=lambda logins: _sources(access, logins),
                    refresh=access.refresh,
                )
            )


def _logins(access: Access) -> Logins | None:
    verify = access.authenticate
    if verify is None:
        return None
    return Logins(verify, threads=access.login_threads, refused=access.audit.login_refused)


def _sources(access: Access, logins: Logins | None) -> list[Source]:
    return [lambda: program_families("serve", logins, access.audit)]


def _environment(context: typer.Context) -> dict[str, str]:
    """That of this process, without the options in it: ``_arguments`` has them."""
    options = {parameter.envvar for parameter in context.command.params}
    return {name: value for name, value in os.environ.items() if name not in options}


def _arguments(context: typer.Context) -> Iterator[str]:
    """The options of this command as it has understood them, whoever gave them."""
    given: Mapping[str, Any] = context.params
    for parameter in context.command.params:
        value = given.get(parameter.name or "")
        if parameter.name in _OWN_OPTIONS or value is None or value is False:
            continue
        option = parameter.opts[0]
        if value is True:
            yield option
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            yield f"{option}={one.value if isinstance(one, Enum) else one}"
