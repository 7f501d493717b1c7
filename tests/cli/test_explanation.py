"""How ``virtcim errormap explain`` shows a decision: on a terminal, in a pipe, as JSON."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from virtcim.cli.explanation import as_object, as_text, on_terminal
from virtcim.errormap import explain, from_xapi

_NESTED = from_xapi(
    [
        *("LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_STORAGE"),
        *("Cannot access storage file '/d/a.img': No such file or directory", "%s", "2"),
    ],
    operation="VM.start",
)
_VIRTCIM = [sys.executable, "-c", "from virtcim.cli import main; main()", "errormap", "explain"]
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def _on_terminal(width: int, language: str = "en") -> str:
    stream = io.StringIO()
    # With a width alone, rich takes 80 wherever TERM says "dumb" or "unknown", as it does in CI.
    console = Console(
        file=stream, force_terminal=True, width=width, height=25, color_system="standard"
    )
    console.print(on_terminal(explain(_NESTED), language))
    return stream.getvalue()


def test_in_a_pipe_each_line_is_one_fact_with_its_label() -> None:
    text = as_text(explain(_NESTED), "en")
    lines = [line.split(maxsplit=1) for line in text.splitlines()]
    labels = [label for label, _ in lines]
    assert labels[:4] == ["code", "message", "source", "cause"]
    assert labels.count("fault") == 2
    assert "fault        xapi LIBVIRT_ERROR (VM.start)\n" in text
    assert "source       Reported by libvirt.\n" in text
    assert "to do        Check that /d/a.img exists where the hypervisor runs" in text
    assert "xapi.libvirt_fault (ERR_VM_CONTROL_OP_FAILED): the fault nested inside goes" in text
    assert not _ESCAPE.search(text)


def test_each_rule_that_lost_is_named_once_and_the_winner_never() -> None:
    explanation = explain(_NESTED)
    lost = [one.rule.id for one in explanation.lost]
    assert len(lost) == len(set(lost))
    assert explanation.rule.id not in lost


def test_a_clear_outer_fault_says_what_the_nested_one_would_have_been() -> None:
    inner = from_xapi(["VM_IS_TEMPLATE", "r"])
    outer = from_xapi(["SR_FULL", "1", "2"])
    explanation = explain(
        type(outer)(source="xapi", code="SR_FULL", arguments=("1", "2"), cause=inner)
    )
    assert explanation.error.code.name == "ERR_OUT_OF_DISK_SPACE"
    assert [(one.rule.id, one.why) for one in explanation.lost] == [
        ("xapi.template", "it is for the nested fault, and the outer one was clear")
    ]


def test_on_a_terminal_there_are_colours_numbers_and_the_way_down() -> None:
    shown = _on_terminal(100)
    assert _ESCAPE.search(shown)
    plain = _ESCAPE.sub("", shown)
    assert "to do        1. Check that" in plain
    assert "             └─ libvirt 38" in plain
    assert plain.count("\nlost  ") == 1


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_are_folded_to_the_width_and_nothing_is_lost(width: int) -> None:
    plain = _ESCAPE.sub("", _on_terminal(width))
    assert all(len(line) <= width for line in plain.splitlines())
    told = re.sub(r"\s", "", as_text(explain(_NESTED), "en"))
    shown = re.sub(r"\s", "", plain)
    for word in ("ERR_CANNOT_ACCESS_DISK_FILE(6)", "/d/a.img", "text.named_file", "libvirt38"):
        assert word in told
        assert word in shown


def test_json_holds_everything_and_is_complete_in_any_language() -> None:
    english, german = (as_object(explain(_NESTED), language) for language in ("en", "de"))
    assert english.keys() == german.keys()
    assert english["arguments"] == german["arguments"] == {"file": "/d/a.img"}
    assert english["err"] == german["err"]
    assert str(german["cause"]).startswith("Das Abbild wurde verschoben")
    path = english["path"]
    assert isinstance(path, list)
    assert [fault["source"] for fault in path] == ["xapi", "libvirt"]
    assert json.loads(json.dumps(english)) == english


def test_markup_in_a_fault_is_shown_as_it_is() -> None:
    fault = from_xapi(["INTERNAL_ERROR", "[red]a[/red] [link=x]b"])
    stream = io.StringIO()
    Console(file=stream, width=200).print(on_terminal(explain(fault), "en"))
    assert "[red]a[/red] [link=x]b" in stream.getvalue()


def _environment(**changed: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "100", **changed}


def test_the_command_speaks_the_language_of_the_locale() -> None:
    words = ["xapi", "VM_IS_TEMPLATE", "OpaqueRef:1"]
    done = subprocess.run(
        [*_VIRTCIM, *words],
        env=_environment(LANG="de_DE.UTF-8"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert "Eine Vorlage kann das nicht" in done.stdout.decode()
    assert "ERR_WRONG_STATE_FOR_OP" in done.stdout.decode()


def test_the_command_prints_colours_only_on_a_terminal() -> None:
    words = ["xapi", "VM_IS_TEMPLATE", "OpaqueRef:1"]
    main, terminal = pty.openpty()
    try:
        subprocess.run(
            [*_VIRTCIM, *words],
            env=_environment(LC_ALL="C.UTF-8"),
            stdout=terminal,
            stderr=terminal,
            check=True,
            timeout=60,
        )
        shown = os.read(main, 65536).decode()
    finally:
        os.close(terminal)
        os.close(main)
    assert "\x1b[" in shown
    assert "ERR_WRONG_STATE_FOR_OP (13)" in _ESCAPE.sub("", shown)


_LOG = (
    "some line\n"
    "raised ['VM_IS_TEMPLATE', 'OpaqueRef:1', 'start']\n"
    "error: Failed to start domain 'a'\n"
    "error: Requested operation is not valid: domain is already running\n"
    "raised ['VM_IS_TEMPLATE', 'OpaqueRef:1', 'start']\n"
)


def _pasted(log: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*_VIRTCIM, "--paste", *options],
        input=log,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )


def test_a_pasted_log_is_explained_fault_by_fault_with_its_lines() -> None:
    done = _pasted(_LOG.encode())
    first, second = done.stdout.decode().split("\n\n")
    assert first.splitlines()[0].split(maxsplit=1) == ["lines", "2, 5 (2x)"]
    assert first.splitlines()[1].split()[:2] == ["code", "ERR_WRONG_STATE_FOR_OP"]
    assert second.splitlines()[0].split(maxsplit=1) == ["lines", "3"]
    assert "virDomainCreate" in second or "domain is already running" in second
    assert done.returncode == 0


def test_a_pasted_log_as_json_is_a_list() -> None:
    found = json.loads(_pasted(_LOG.encode(), "--json").stdout)
    assert [(one["lines"], one["count"], one["err"]) for one in found] == [
        ([2, 5], 2, "ERR_WRONG_STATE_FOR_OP"),
        ([3], 1, "ERR_WRONG_STATE_FOR_OP"),
    ]
    assert found[1]["path"][0]["operation"] == "virDomainCreate"


def test_a_log_without_a_fault_ends_with_one_sentence() -> None:
    done = _pasted(b"\xff\xfe\x00 nothing\n")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "virtcim errormap: no fault of a hypervisor is found in this text"
    ]


def test_a_pasted_log_and_a_code_are_not_taken_together() -> None:
    done = subprocess.run(
        [*_VIRTCIM, "xapi", "VM_IS_TEMPLATE", "--paste"],
        input=b"",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert b"--paste" in done.stderr


def test_a_pasted_log_on_a_terminal_has_the_lines_above_each_fault() -> None:
    from virtcim.cli.pasting import Seen
    from virtcim.cli.pasting import on_terminal as pasted_on_terminal

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system="standard")
    console.print(pasted_on_terminal([Seen((3, 9), explain(_NESTED))], "en"))
    assert "lines 3, 9 (2x)" in _ESCAPE.sub("", stream.getvalue())
