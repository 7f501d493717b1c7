"""Running the real `wbemcli` and reading what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

__all__ = ["Answer", "Instance", "WbemcliClient"]

_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance as wbemcli shows it: its path, and its properties that are not NULL."""

    path: str
    properties: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What wbemcli did: the command as a person would type it, and what it printed.

    `command` has no password in it. `succeeded` is wbemcli's exit status.
    """

    command: str
    succeeded: bool
    output: str
    error: str

    def instances(self) -> list[Instance]:
        """Read the output of `ei`, `gi`, `ai` or `ri` with `-nl`."""
        found: list[Instance] = []
        for line in self.output.splitlines():
            if line.startswith("-") and found:
                name, equals, value = line[1:].partition("=")
                if equals:
                    found[-1].properties[name] = value.strip('"')
            elif line.strip():
                found.append(Instance(path=line.partition("/")[2], properties={}))
        return found


class WbemcliClient:
    """wbemcli for one server and one namespace; every request is one process."""

    def __init__(self, url: str, *, namespace: str, user: str = "", password: str = "") -> None:
        parts = urlsplit(url)
        self._base = f"{parts.netloc}/{namespace}"
        self._scheme = parts.scheme
        self._credentials = f"{quote(user)}:{quote(password)}@" if user else ""
        self._shown_credentials = f"{quote(user)}:PASSWORD@" if user else ""

    def run(self, operation: str, target: str, *arguments: str) -> Answer:
        """Run `wbemcli -nl OPERATION URL:TARGET ARGUMENT...`.

        `target` is a class name or an instance name as wbemcli writes it (`C.Key="value"`).
        """
        command = ["wbemcli", "-nl", operation]
        url = f"{self._scheme}://{{}}{self._base}:{target}"
        done = subprocess.run(
            [*command, url.format(self._credentials), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
        shown = [*command, url.format(self._shown_credentials), *arguments]
        return Answer(
            command=_as_typed(shown),
            succeeded=done.returncode == 0,
            output=done.stdout,
            error=done.stderr.strip(),
        )


def _as_typed(command: Sequence[str]) -> str:
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=.,:/@%")
    return " ".join(word if plain.issuperset(word) else f"'{word}'" for word in command)
