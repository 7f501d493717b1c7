"""What ``virtcim register`` is asked for, and what people are shown of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from functools import partial

import typer

from virtcim.cli.hypervisors import OptionError
from virtcim.cli.standard_output import put_out
from virtcim.mof import SchemaError
from virtcim.registration import (
    Command,
    Finding,
    Plan,
    ReceiptError,
    RegistrationError,
    RemoveDirectory,
    RemoveFile,
    Step,
    ToolError,
    ToolMissingError,
    UnknownClassError,
    WriteFile,
    carry_out,
    run_command,
    told,
)
from virtcim.registration.pegasus import ServerAnswerError

__all__ = ["Mode", "Output"]

_FAILED = 1
_DIFFERS = 1
_UNKNOWN = 2
_write = partial(put_out, "virtcim register")
_WORDS = {
    "not carried": "not carried by the server",
    "differs": "other than ours in the server",
    "assumed": "not asked",
    "not ready": "the providers cannot work yet",
    "left": "left as it is",
}


class Mode(Enum):
    """What the command is for."""

    REGISTER = "register"
    CHECK = "check"
    REMOVE = "remove"
    SHOW = "dry-run"
    SHOW_REMOVAL = "dry-run of remove"

    @classmethod
    def of(cls, *, check: bool, remove: bool, dry_run: bool) -> Mode:
        """The mode that the options ask for. Raises BadParameter for two at once."""
        if check and (remove or dry_run):
            raise typer.BadParameter("--check stands alone: it changes nothing anyway")
        if dry_run:
            return cls.SHOW_REMOVAL if remove else cls.SHOW
        return cls.REMOVE if remove else cls.CHECK if check else cls.REGISTER

    @property
    def is_removal(self) -> bool:
        """Whether the registration is to be taken back."""
        return self in (Mode.REMOVE, Mode.SHOW_REMOVAL)

    @property
    def only_shown(self) -> bool:
        """Whether nothing is done, so that no server is needed."""
        return self in (Mode.SHOW, Mode.SHOW_REMOVAL)


class Output:
    """Says what will be done, does it unless it is only shown, and says what became of it."""

    def __init__(self, server: str, mode: Mode, as_json: bool) -> None:
        self.mode = mode
        self._server = server
        self._as_json = as_json
        self._terminal = not as_json and sys.stdout.isatty()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """End with one sentence when it cannot be found out what there is to do."""
        try:
            yield
        except (
            OptionError,
            OSError,
            ReceiptError,
            SchemaError,
            ServerAnswerError,
            ToolError,
            ToolMissingError,
            UnknownClassError,
        ) as error:
            if self._as_json:
                self._put({"server": self._server, "mode": self.mode.value, "error": str(error)})
            else:
                typer.echo(f"virtcim register: {error}", err=True)
            raise typer.Exit(_UNKNOWN if self.mode is Mode.CHECK else _FAILED) from error

    def say(self, text: str) -> None:
        """Say what takes a while."""
        typer.echo(f"virtcim register: {text}", err=True)

    def carry_out(self, plan: Plan, facts: Mapping[str, object]) -> int:
        """The exit status."""
        answer: dict[str, object] = {
            "server": self._server,
            "mode": self.mode.value,
            **facts,
            "differences": list(plan.differences),
            "findings": [asdict(finding) for finding in plan.findings],
        }
        self._say_findings(plan.findings)
        if self.mode is Mode.CHECK:
            return self._checked(plan, answer)
        answer |= {"steps": [_step(step) for step in plan.steps], "afterwards": [*plan.afterwards]}
        if self.mode.only_shown:
            self._shown(plan, answer)
            return 0
        try:
            carry_out(plan, run_command, self._say_step)
        except RegistrationError as error:
            self._failed(error, answer)
            return _FAILED
        done = {Mode.REMOVE: "nothing of ours is left", Mode.REGISTER: "registered"}[self.mode]
        if not plan.steps:
            done = {Mode.REMOVE: "nothing was registered", Mode.REGISTER: "all is there already"}[
                self.mode
            ]
        for text in (done, *plan.afterwards):
            self._line(text, "green")
        self._put(answer)
        return 0

    def _checked(self, plan: Plan, answer: dict[str, object]) -> int:
        for text in plan.differences:
            self._line(text, "yellow")
        if not plan.differences:
            self._line("all is there", "green")
        self._put(answer)
        return _DIFFERS if plan.differences else 0

    def _shown(self, plan: Plan, answer: dict[str, object]) -> None:
        for step in plan.steps:
            self._line(f"==> {step.purpose}", "bold cyan")
            if isinstance(step.action, WriteFile):
                self._line(f"file {step.action.path}", "bold")
                self._line(step.action.content.rstrip("\n"))
            else:
                self._line(told(step.action), "bold")
            self._line("")
        if not plan.steps:
            self._line("nothing to do", "green")
        for text in plan.afterwards:
            self._line(f"==> then {text}", "bold cyan")
        self._put(answer)

    def _failed(self, error: RegistrationError, answer: dict[str, object]) -> None:
        if self._as_json:
            self._put(
                {
                    **answer,
                    "error": {"step": error.step.purpose, "reason": error.reason},
                    "undone": [*error.undone],
                    "left": [*error.left],
                }
            )
            return
        typer.echo(f"virtcim register: cannot {error.step.purpose}: {error.reason}", err=True)
        for text in error.undone:
            typer.echo(f"virtcim register: taken back: {text}", err=True)
        for text in error.left:
            typer.echo(f"virtcim register: could not be taken back: {text}", err=True)

    def _say_findings(self, findings: Sequence[Finding]) -> None:
        """On standard error where standard output is for a program or a file."""
        if not self._as_json:
            for finding in findings:
                text = f"{_WORDS[finding.kind]}: {finding.name}: {finding.text}"
                typer.echo(f"virtcim register: {text}", err=True)

    def _say_step(self, step: Step) -> None:
        action = step.action
        shown = told(action) if isinstance(action, Command) else str(action.path)
        self._line(f"{step.purpose}: {shown}")

    def _line(self, text: str, style: str = "") -> None:
        if self._as_json:
            return
        if self._terminal:
            from rich.console import Console
            from rich.text import Text

            Console(soft_wrap=True, highlight=False).print(Text(text, style=style))
        else:
            _write(f"{text}\n")

    def _put(self, answer: Mapping[str, object]) -> None:
        if self._as_json:
            _write(json.dumps(answer, indent=2) + "\n")


def _step(step: Step) -> dict[str, object]:
    match step.action:
        case WriteFile(path=path, content=content):
            return {"purpose": step.purpose, "file": str(path), "content": content}
        case Command(words=words):
            return {"purpose": step.purpose, "command": list(words)}
        case RemoveFile(path=path) | RemoveDirectory(path=path):
            return {"purpose": step.purpose, "remove": str(path)}
