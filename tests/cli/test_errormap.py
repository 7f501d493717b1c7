"""``virtcim errormap`` as a program."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

_VIRTCIM = [sys.executable, "-c", "from virtcim.cli import main; main()"]


def _run(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*_VIRTCIM, *words], input=given, capture_output=True, check=False, timeout=120
    )


def _output(*words: str, given: bytes = b"") -> str:
    done = _run(*words, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_explain_shows_code_rule_and_losers() -> None:
    text = _output("errormap", "explain", "xapi", "HANDLE_INVALID", "VM", "ref")
    assert "ERR_VM_NOT_FOUND (14)" in text
    assert "xapi.handle.vm" in text
    assert "xapi.handle.other (ERR_BAD_PARAMETER): it stands later" in text
    assert "\x1b" not in text


def test_explain_takes_operation_and_text() -> None:
    words = ("errormap", "explain", "--json", "--operation", "virDomainCreate")
    shown = json.loads(_output(*words, "--text", "client socket is closed", "libvirt", "1"))
    assert shown["err"] == "ERR_UNABLE_TO_VERIFY_STATE"
    assert shown["path"][0]["operation"] == "virDomainCreate"


def test_explain_takes_negative_numbers() -> None:
    words = ("libvirt", "38", "VIR_FROM_RPC", "-1", "--text", "Unable to resolve address 'x'")
    assert "ERR_HOST_NOT_FOUND" in _output("errormap", "explain", *words)


def test_explain_refuses_an_unknown_source_in_one_sentence() -> None:
    done = _run("errormap", "explain", "hyperv", "1")
    assert done.returncode == 2
    assert done.stderr.decode().count("\n") == 1
    assert b"hyperv" in done.stderr


def test_explain_refuses_a_code_that_libvirt_does_not_have() -> None:
    done = _run("errormap", "explain", "libvirt", "abc")
    assert done.returncode == 2
    assert done.stderr.decode().startswith("virtcim errormap: 'abc' is neither a number nor")


def test_diff_says_that_a_file_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.write_text("root:x:0:0\n")
    done = _run("errormap", "diff", str(path), "current")
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"virtcim errormap: {path} is no error table")
    assert done.stderr.count(b"\n") == 1


def test_list_can_be_narrowed() -> None:
    rows = json.loads(
        _output("errormap", "list", "--json", "--source", "xend", "--err", "ERR_OUT_OF_MEMORY")
    )
    assert rows
    assert {row["err"] for row in rows} == {"ERR_OUT_OF_MEMORY"}
    assert all(row["id"].startswith("xend.") for row in rows)
    plain = _output("errormap", "list", "--source", "xend").splitlines()
    assert plain[0].split("\t") == ["rule", "code", "holds for"]


@pytest.mark.parametrize("words", [("--source", "hyperv"), ("--err", "ERR_OOPS")])
def test_list_refuses_unknown_names(words: tuple[str, str]) -> None:
    done = _run("errormap", "list", *words)
    assert done.returncode == 2
    assert words[1].encode() in done.stderr


def test_diff_compares_an_exported_table_with_the_current_one(tmp_path: Path) -> None:
    table = json.loads(_output("errormap", "export"))
    table["rules"][0]["err"] = "ERR_VM_STUCK"
    path = tmp_path / "old.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    (change,) = json.loads(_output("errormap", "diff", "--json", str(path), "current"))
    assert (change["kind"], change["before"]) == ("outcome", "ERR_VM_STUCK")
    assert "another code" in change["expect"]
    shown = _output("errormap", "diff", str(path), "current")
    assert "outcome" in shown
    assert change["expect"] in shown
    assert "same" in _output("errormap", "diff", "current", "current")


def test_diff_counts_changes_of_wording_and_shows_them_when_asked(tmp_path: Path) -> None:
    table = json.loads(_output("errormap", "export"))
    table["codes"][0]["sentence"] = "It was said otherwise."
    path = tmp_path / "old.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    assert _output("errormap", "diff", str(path), "current") == (
        "1 changes of wording: --wording shows them.\n"
    )
    assert "It was said otherwise." in _output(
        "errormap", "diff", "--wording", str(path), "current"
    )


def test_diff_refuses_an_unknown_version() -> None:
    done = _run("errormap", "diff", "0.0.1", "current")
    assert done.returncode == 2
    assert b"0.0.1" in done.stderr


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "dsp0228"])
def test_export_prints_every_form(form: str) -> None:
    assert "ERR_FILE_IN_USE" in _output("errormap", "export", "--format", form)


def test_export_refuses_an_unknown_form() -> None:
    assert _run("errormap", "export", "--format", "pdf").returncode == 2


def test_translate_answers_each_line_in_order() -> None:
    good = {"id": 1, "source": "libvirt", "operation": "x", "raw": {"code": 42}}
    lines = [json.dumps(good).encode(), b"garbage", json.dumps({**good, "id": 3}).encode()]
    answers = [
        json.loads(line)
        for line in _output("errormap", "translate", given=b"\n".join(lines)).splitlines()
    ]
    assert [given["id"] for given in answers] == [1, None, 3]
    assert [given["err"] for given in answers] == [
        "ERR_VM_NOT_FOUND", "ERR_UNKNOWN", "ERR_VM_NOT_FOUND",
    ]  # fmt: skip


def test_translate_answers_a_waiting_program_at_once() -> None:
    with subprocess.Popen(
        [*_VIRTCIM, "errormap", "translate"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number in range(3):
            record = {"id": number, "source": "xapi", "raw": {"error_description": ["VM_CRASHED"]}}
            program.stdin.write(json.dumps(record).encode() + b"\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["id"] == number
        program.stdin.close()
        assert program.wait(60) == 0


def test_translate_ends_quietly_when_its_reader_has_gone() -> None:
    record = json.dumps({"source": "xapi", "raw": {"error_description": ["VM_CRASHED"]}})
    with subprocess.Popen(
        [*_VIRTCIM, "errormap", "translate"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        program.stdout.close()
        _, complaint = program.communicate(f"{record}\n".encode() * 2000, timeout=60)
    assert complaint == b""
    assert program.returncode == 141


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "xapi", "VM_CRASHED"),
        ("explain", "--json", "xapi", "VM_CRASHED"),
        ("list",),
        ("list", "--json"),
        ("diff", "current", "current"),
        ("diff", "--json", "current", "current"),
        ("export",),
    ],
)
def test_an_output_that_cannot_be_written_is_said_in_one_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*_VIRTCIM, "errormap", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


def test_translate_without_standard_input_is_refused_in_one_sentence() -> None:
    words = shlex.join([*_VIRTCIM, "errormap", "translate"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{words} <&-"], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == b"virtcim errormap: standard input is closed\n"


@pytest.mark.parametrize("command", ["explain", "list", "diff", "export", "translate"])
def test_every_command_shows_an_example(command: str) -> None:
    assert "virtcim errormap" in _output("errormap", command, "--help").partition("Example:")[2]


def test_the_group_shows_an_example_too() -> None:
    assert "virtcim errormap explain" in _output("errormap", "--help").partition("Example:")[2]


def test_the_version_names_program_and_table() -> None:
    program, table = _output("--version").splitlines()
    assert program.startswith("virtcim ")
    assert table.startswith("error table ")


def test_help_offers_the_commands_without_loading_them() -> None:
    assert "errormap" in _output("--help")
