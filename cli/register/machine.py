"""Whether the providers can work on this machine once they are registered.

They run as a user of the CIM server's, and read the configuration of the whole system.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from virtcim.cli.hypervisors import OptionError
from virtcim.cli.register.wanted import options_of_serve
from virtcim.cli.startup import SYSTEM_CONFIGURATION
from virtcim.registration import Finding

__all__ = ["provider_user", "unready"]

_FILES = {
    "hypervisor-password-file": "the password of a hypervisor",
    "hypervisor-ca": "the certificates of a hypervisor",
}
_UNTIL_THEN = "until then each client is told ERR_CREDENTIALS_NOT_SET"


def provider_user(run_as: str, program: str) -> str:
    """Whom the providers run as: ``run_as``, else whoever runs ``program``, else root.

    Raises OptionError where there is no such user.
    """
    try:
        if run_as:
            return pwd.getpwnam(run_as).pw_name
        return pwd.getpwuid(_owner_of(program)).pw_name
    except KeyError as error:
        raise OptionError(f"there is no user {run_as or error}") from error


def _owner_of(program: str) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text(errors="replace").strip() == program:
                return process.stat().st_uid
        except OSError:
            continue  # it has ended
    return 0


def unready(
    user: str, config: Path | None, system: Path = SYSTEM_CONFIGURATION
) -> tuple[Finding, ...]:
    """What keeps the providers from working, a finding for each file.

    ``config`` is what whoever registers took for the configuration, ``system`` what is read.
    """
    return tuple(
        Finding(kind="not ready", name=str(path), text=text)
        for path, text in _unready(user, config, system)
    )


def _unready(user: str, config: Path | None, system: Path) -> Iterator[tuple[Path, str]]:
    who = f"the user {user}, whom the providers run as,"
    python = Path(sys.executable)
    if config is not None and config.absolute() != system:
        yield config, f"the providers read {system}, and not this file"
    if not _may(user, "-x", python):
        yield python, f"{who} may not run this Python"
    if not system.exists():
        yield system, f"{who} finds no configuration there; {_UNTIL_THEN}"
        return
    if not _may(user, "-r", system):
        yield system, f"{who} may not read it; {_UNTIL_THEN}"
    try:
        options = options_of_serve(system)
    except OptionError as error:
        yield system, str(error)
        return
    for path, what in _named(options):
        if not path.exists():
            yield path, f"{what}, which {system} names, is not there; {_UNTIL_THEN}"
        elif not _may(user, "-r", path):
            yield path, f"{what}, which {system} names: {who} may not read it; {_UNTIL_THEN}"


def _named(options: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The files that the configuration names, in the form ``[NAME=]FILE``."""
    for option, what in _FILES.items():
        given = options.get(option, ())
        for one in [given] if isinstance(given, str) else given:
            yield Path(str(one).rpartition("=")[2]), what


def _may(user: str, how: str, path: Path) -> bool:
    """Whether a user may do something with a file; that of others cannot be found out but by root.

    Asked of the system as that user, as directories above and access lists count, too.
    """
    known = pwd.getpwnam(user)
    if known.pw_uid == os.geteuid():
        return os.access(path, {"-r": os.R_OK, "-x": os.X_OK}[how], effective_ids=True)
    if os.geteuid() != 0:
        return True
    done = subprocess.run(
        ["/usr/bin/test", how, str(path)],
        user=known.pw_uid,
        group=known.pw_gid,
        extra_groups=os.getgrouplist(user, known.pw_gid),
        check=False,
    )
    return done.returncode == 0
