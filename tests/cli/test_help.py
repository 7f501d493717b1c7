"""Help can be read in narrow windows: nothing that people must type is cut off."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.in_process import virtcim

_DAEMON_WORDS = ("unix:PATH,", "http://HOST:PORT", "https://HOST:PORT;", "<basic|pam|none>")
_WORDS = {
    "serve": (
        *_DAEMON_WORDS,
        "--hypervisor-any-hostname",
        "VIRTCIM_SERVE_HYPERVISOR_PASSWORD_FILE",
        "VIRTCIM_SERVE_HYPERVISOR_ANY_HOSTNAME",
        "xapi+unix:///PATH,",
        "xapi+http://HOST:PORT",
        "<debug|info|warning|error>",
    ),
    "toolstack": (
        *_DAEMON_WORDS,
        "--shutdown-timeout",
        "VIRTCIM_TOOLSTACK_SHUTDOWN_TIMEOUT",
        "qemu:///system",
        "<auto|kvm|qemu>",
    ),
    "users add": ("--password-file", "--external", "read@root/interop"),
    "register pegasus": ("--dry-run", "--interop", "--library-directory", "--run-as"),
    "register sfcb": ("--stage", "--registration", "--schema", "--hypervisor"),
    "schema": ("--force", "$VIRTCIM_CIM_SCHEMA"),
    "errormap explain": ("[source]", "--paste", "[ARG]...", "OpaqueRef:1", "--operation"),
    "errormap list": ("--source", "ERR_OUT_OF_MEMORY"),
    "errormap diff": ("{before}", "{after}", "[required]"),
    "errormap export": ("dsp0228", "json]"),
    "errormap docs": ("docs/errors",),
    "errormap translate": ('"operation",', "faults.jsonl"),
}


def _help(command: str, columns: int) -> str:
    done = virtcim(*command.split(), "--help", COLUMNS=str(columns))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("columns", [80, 50])
@pytest.mark.parametrize("command", _WORDS)
def test_no_value_is_cut_off(command: str, columns: int) -> None:
    text = _help(command, columns)
    assert "…" not in text
    shown = text.split()
    assert [word for word in _WORDS[command] if not any(word in token for token in shown)] == []
    assert max(map(len, text.splitlines())) <= columns


def test_a_paragraph_breaks_only_where_the_window_ends() -> None:
    lines = [line.strip() for line in _help("serve", 80).splitlines()]
    first = next(i for i, line in enumerate(lines) if line.startswith("Prints one line"))
    paragraph = lines[first : lines.index("", first)]
    for line, following in itertools.pairwise(paragraph):
        assert len(f"{line} {following.split()[0]}") > 78


def test_variable_and_default_stand_in_a_line_of_their_own() -> None:
    lines = [line.strip("│ ") for line in _help("serve", 80).splitlines()]
    assert "[env var: VIRTCIM_SERVE_HYPERVISOR; required]" in lines
    assert "[env var: VIRTCIM_SERVE_AUTH; default: basic]" in lines


@pytest.mark.parametrize("terminal", [True, False])
def test_help_is_coloured_for_a_terminal_only(terminal: bool) -> None:
    colours = {"FORCE_COLOR": "1", "TERM": "xterm-256color"} if terminal else {}
    text = subprocess.run(
        [Path(sys.executable).with_name("virtcim"), "serve", "--help"],
        env={**os.environ, "COLUMNS": "80", "LC_ALL": "C.UTF-8", **colours},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "--listen" in text
    assert ("\x1b[1;36m--listen" in text) is terminal
    assert ("\x1b" in text) is terminal
