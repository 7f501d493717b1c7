"""What is done to register with a server: steps, each with what takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "Action",
    "Command",
    "Finding",
    "Plan",
    "RemoveDirectory",
    "RemoveFile",
    "Step",
    "WriteFile",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments; no shell ever sees them.

    ``absent`` are texts that its output has when what it should take away is not there, which
    then counts as done.
    """

    words: tuple[str, ...]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """A file with its whole content, in place of what it held before."""

    path: Path
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """A file that goes."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDirectory:
    """A directory that goes if it is empty."""

    path: Path


Action = Command | WriteFile | RemoveFile | RemoveDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action and why; ``undo`` takes it back, in this order.

    What a file held is kept by whoever carries the plan out. ``undo`` must do no harm where the
    action has happened in part.
    """

    purpose: str
    action: Action
    undo: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that the administrator should know: ``name`` is a class, property, file, ....

    ``kind``: what the server does not carry, what the server itself has in another form, what
    was taken for granted about a server that could not be asked, what keeps the providers from
    working although they are registered, or what is not taken back.
    """

    kind: Literal["not carried", "differs", "assumed", "not ready", "left"]
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``differences`` is what is not as it should be, a sentence each; the steps mend it.

    ``afterwards`` is what the administrator has to do when the steps are done.
    """

    steps: tuple[Step, ...]
    differences: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    afterwards: tuple[str, ...] = ()
