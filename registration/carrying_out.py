"""Carrying a plan out: all of it, or what has been done is taken back in reverse order."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from virtcim.registration.plan import (
    Action,
    Command,
    Plan,
    RemoveDirectory,
    RemoveFile,
    Step,
    WriteFile,
)
from virtcim.registration.tools import RunCommand, ToolError

__all__ = ["RegistrationError", "carry_out", "told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PutBack:
    """A file with what it held before, text or not."""

    path: Path
    content: bytes


_Undo = Action | _PutBack


class RegistrationError(Exception):
    """A step failed; ``undone`` and ``left`` say what was taken back and what could not be."""

    def __init__(self, step: Step, reason: str, undone: Sequence[str], left: Sequence[str]) -> None:
        self.step = step
        self.reason = reason
        self.undone = tuple(undone)
        self.left = tuple(left)
        super().__init__(f"{step.purpose}: {reason}")


def carry_out(
    plan: Plan, run: RunCommand, progress: Callable[[Step], None] = lambda _step: None
) -> None:
    """Do each step in turn, telling ``progress`` of it before. Raises RegistrationError.

    When one fails, or somebody interrupts, the steps until then are taken back, the failed one
    first: it may have happened in part.
    """
    begun: list[tuple[Step, tuple[_Undo, ...]]] = []
    for step in plan.steps:
        progress(step)
        try:
            begun.append((step, (*_file_undo(step.action), *step.undo)))
            _do(step.action, run)
        except (ToolError, OSError) as error:
            raise RegistrationError(step, str(error), *_undo(begun, run)) from error
        except BaseException as error:
            reason = f"interrupted ({type(error).__name__})"
            raise RegistrationError(step, reason, *_undo(begun, run)) from error


def told(action: _Undo) -> str:
    """What an action is, in one line."""
    match action:
        case Command(words=words):
            return shlex.join(words)
        case WriteFile(path=path) | _PutBack(path=path):
            return f"write {path}"
        case RemoveFile(path=path):
            return f"remove {path}"
        case RemoveDirectory(path=path):
            return f"remove the directory {path} if it is empty"


def _undo(
    begun: Sequence[tuple[Step, tuple[_Undo, ...]]], run: RunCommand
) -> tuple[list[str], list[str]]:
    undone: list[str] = []
    left: list[str] = []
    for step, actions in reversed(begun):
        failures = []
        for action in actions:
            try:
                _do(action, run)
            except (ToolError, OSError) as error:
                failures.append(f"{told(action)}: {error}")
        left += failures
        if actions and not failures:
            undone.append(step.purpose)
    return undone, left


def _do(action: _Undo, run: RunCommand) -> None:
    match action:
        case Command():
            run(action)
        case WriteFile(path=path, content=content):
            _write(path, content.encode())
        case _PutBack(path=path, content=kept):
            _write(path, kept)
        case RemoveFile(path=path):
            path.unlink(missing_ok=True)
        case RemoveDirectory(path=path):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _write(path: Path, content: bytes) -> None:
    """Readers see the file as it was or as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _file_undo(action: Action) -> tuple[_Undo, ...]:
    """What gives a file back that an action replaces or removes."""
    if not isinstance(action, WriteFile | RemoveFile):
        return ()
    try:
        return (_PutBack(path=action.path, content=action.path.read_bytes()),)
    except FileNotFoundError:
        return (RemoveFile(path=action.path),) if isinstance(action, WriteFile) else ()
