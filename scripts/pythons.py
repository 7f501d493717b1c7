"""The tests that need no virtual machines, with every other Python that is at hand."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from debian_python import DebianPythonError, debian_python
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["app"]

_ROOT = Path(__file__).resolve().parent.parent
_KEPT = _ROOT / ".cache" / "pythons"
# The dearest first, so that none of them is what all wait for.
_FOLDERS = (
    "tests/hypervisor",
    "tests/errormap",
    "tests/cli",
    "tests/providers",
    "tests/toolstack",
    "tests/wire",
    "tests/cimserver",
    "tests/daemon",
    "tests/cim",
    "tests/mof",
    "tests/registration",
)
_NEEDS_LIBVIRT = frozenset({"tests/toolstack"})
# What tests use; what only checks sources is run once, with the Python of every day.
_TOOLS = (
    "pytest",
    "psycopg",
    "httpx",
    "hypothesis",
    "XenAPI",
    "pywbemtools",
    "python-pam",
    "babel",
    "mypy",
    "lxml-stubs",
)
_NO_TESTS = 5  # pytest's exit status where none was chosen
_NOT_TO_BE_HAD = 75  # EX_TEMPFAIL: nothing was found wrong, as nothing could be tried
_TIMEOUT_S = 3600

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@dataclass(slots=True, kw_only=True)
class _Interpreter:
    """One Python, and what came of it."""

    program: Path
    version: str
    environment: Path = field(default_factory=Path)
    has_libvirt: bool = True
    trouble: str = ""
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def minor(self) -> str:
        """The version without its last number: "3.13"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def python(self) -> Sequence[str]:
        """The start of a command that it runs in its environment."""
        return (str(self.environment / "bin" / "python"),)

    def summary(self) -> str:
        """One line for a person."""
        if self.trouble:
            return f"Python {self.version}: NOT RUN: {self.trouble}"
        outcome = f"FAILED in {', '.join(self.failed)}" if self.failed else "ok"
        binding = "" if self.has_libvirt else ", without libvirt"
        return f"Python {self.version}: {outcome}, {self.passed:,} tests passed{binding}"


@app.command(
    epilog="Example: scripts/pythons --debian trixie tests/cim tests/wire",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main(
    tests: Annotated[
        list[str] | None,
        typer.Argument(help="Files and folders of tests, instead of all that need no hypervisor."),
    ] = None,
    debian: Annotated[
        str,
        typer.Option(
            metavar="SUITE",
            help="Take also the Python of this suite of Debian, from this machine's mirror, into "
            "a directory of its own.",
        ),
    ] = "",
    only: Annotated[
        str, typer.Option(metavar="VERSION", help="Only this Python, such as 3.13.")
    ] = "",
    at_once: Annotated[
        int, typer.Option(min=1, help="How many folders of tests run side by side.")
    ] = os.cpu_count() or 1,
) -> None:
    """Run the tests with every other version of Python that is found.

    Those are the python3.12, python3.13, ... on PATH that virtcim supports, and with --debian that
    of a suite of Debian. Each gets a virtual environment with what virtcim needs in .cache/pythons;
    the machine stays as it is. The status is 1 where a test failed, and 75 where an interpreter, or
    what it needs, could not be had.
    """
    report = _Report()
    found: dict[str, _Interpreter] = {}
    lost: list[str] = []
    for one in _on_path():
        if only in ("", one.minor):
            found.setdefault(one.minor, one)
    if debian:
        try:
            with report.step(f"the Python of Debian {debian}"):
                taken = _interpreter(debian_python(debian, _KEPT))
            if taken and only in ("", taken.minor):
                found.setdefault(taken.minor, taken)
        except DebianPythonError as error:
            lost.append(f"The Python of Debian {debian}: NOT RUN: {error}")
    interpreters = [found[minor] for minor in sorted(found, key=lambda text: int(text[2:]))]
    for one in interpreters:
        with report.step(f"what virtcim needs, for Python {one.version}"):
            _prepare(one)
    _run_tests([one for one in interpreters if not one.trouble], tests, at_once, report)
    for line in [*lost, *(one.summary() for one in interpreters)]:
        report.say(line)
    if any(one.failed for one in interpreters):
        raise typer.Exit(1)
    if lost or any(one.trouble for one in interpreters):
        raise typer.Exit(_NOT_TO_BE_HAD)
    if not interpreters:
        report.say("No other Python is at hand: try --debian trixie.")
        raise typer.Exit(_NOT_TO_BE_HAD)


class _Report:
    """What goes on: a line that moves on a terminal, one line for each step elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        if self._console.is_terminal:
            columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
            with Progress(*columns, console=self._console, transient=True) as progress:
                progress.add_task(what)
                yield
        else:
            self.say(f"pythons: {what} ...")
            yield
        self.say(f"pythons: {what}: {time.monotonic() - began:.0f} s")


def _on_path() -> Iterator[_Interpreter]:
    """The Pythons on PATH that virtcim supports, but for the one of every day."""
    seen = set()
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        for program in sorted(Path(directory or ".").glob("python3.*")):
            if program.resolve() in seen or not re.fullmatch(r"python3\.[0-9]+", program.name):
                continue
            seen.add(program.resolve())
            one = _interpreter(program)
            if one and one.minor != f"{sys.version_info[0]}.{sys.version_info[1]}":
                yield one


def _interpreter(program: Path) -> _Interpreter | None:
    """What ``program`` is; None where it does not run or is older than virtcim supports."""
    done = subprocess.run(
        [str(program), "-c", "import platform, venv; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=False,
    )
    version = done.stdout.strip()
    numbers = re.match(r"3\.([0-9]+)\.", version)
    lowest = _project()["requires-python"].removeprefix(">=3.")
    if done.returncode or not numbers or int(numbers[1]) < int(lowest):
        return None
    return _Interpreter(program=program.absolute(), version=version)


def _project() -> Mapping[str, Any]:
    document = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project: Mapping[str, Any] = document["project"]
    return project


def _prepare(one: _Interpreter) -> None:
    """Make its virtual environment, or use the one that is there; say what is in the way."""
    one.environment = _KEPT / f"venv-{one.minor}"
    stamp = one.environment / "virtcim.stamp"
    wanted = hashlib.sha256(
        f"{_ROOT} {one.program} {one.version}".encode() + (_ROOT / "pyproject.toml").read_bytes()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        one.has_libvirt = _pip(one, "show", "--quiet", "libvirt-python") is None
        return
    shutil.rmtree(one.environment, ignore_errors=True)
    extras = _project()["optional-dependencies"]
    tools = [wanted for wanted in extras["dev"] if wanted.startswith(_TOOLS)]
    trouble = _make_environment(one) or _pip(one, "install", "--editable", str(_ROOT), *tools)
    if trouble:
        one.trouble = trouble
        return
    # It may have to be compiled, for which the headers of libvirt and a compiler are needed.
    one.has_libvirt = _pip(one, "install", *extras["toolstack"]) is None
    stamp.write_text(wanted)


def _make_environment(one: _Interpreter) -> str | None:
    """An environment with pip; what was said where it could not be made."""
    made = _said([str(one.program), "-m", "venv", "--without-pip", str(one.environment)])
    if made is not None:
        return made
    # Debian has pip beside its Python, where its own venv module does not look for it here.
    beside = sorted(one.program.parents[1].glob("share/python-wheels/pip-*.whl"))
    if beside:
        wheel = str(beside[-1])
        return _said([*one.python, f"{wheel}/pip", "install", "--no-index", wheel])
    return _said([*one.python, "-m", "ensurepip"])


def _pip(one: _Interpreter, *arguments: str) -> str | None:
    """None where pip did it, else what it said last."""
    pip = (*one.python, "-m", "pip", "--disable-pip-version-check", "--no-input")
    # Where its headers stand is not where Debian's Python says.
    return _said([*pip, *arguments], CFLAGS=f"-idirafter {one.program.parents[1] / 'include'}")


def _said(command: Sequence[str], **environment: str) -> str | None:
    """None where the command succeeded, else its last words."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if not done.returncode:
        return None
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["nothing was said"])[-1].strip()


def _run_tests(
    interpreters: Sequence[_Interpreter],
    tests: Sequence[str] | None,
    at_once: int,
    report: _Report,
) -> None:
    pairs = [
        (one, folder)
        for folder in tests or _FOLDERS
        for one in interpreters
        if one.has_libvirt or folder not in _NEEDS_LIBVIRT
    ]
    if not pairs:
        return
    with report.step("the tests"), ThreadPoolExecutor(at_once) as pool:
        running: dict[Future[tuple[int, str, float]], tuple[_Interpreter, str]] = {
            pool.submit(_run_folder, one, folder): (one, folder) for one, folder in pairs
        }
        for done in as_completed(running):
            one, folder = running[done]
            status, output, seconds = done.result()
            lines = output.strip().splitlines() or [""]
            counted = re.search(r"([0-9]+) passed", lines[-1])
            one.passed += int(counted[1]) if counted else 0
            one.seconds += seconds
            if status not in (0, _NO_TESTS) or not counted:
                one.failed.append(folder)
                report.say(output)
            report.say(f"pythons: {one.version} {folder}: {lines[-1]}")


def _run_folder(one: _Interpreter, folder: str) -> tuple[int, str, float]:
    """pytest's status, output and seconds."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="virtcim-pythons-") as directory:
        output = Path(directory) / "output"
        with output.open("w") as file:
            try:
                status = subprocess.run(
                    [*one.python, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", folder],
                    cwd=_ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=_TIMEOUT_S,
                    check=False,
                    env={**os.environ, "PYTHONPYCACHEPREFIX": str(_KEPT / "bytecode")}
                    | {"PYTHONDONTWRITEBYTECODE": ""},
                ).returncode
            except subprocess.TimeoutExpired:
                status = -1
        return status, output.read_text(errors="replace"), time.monotonic() - began


if __name__ == "__main__":
    app(prog_name="scripts/pythons")
