"""``explain`` in a plain line is answered without the parser of command lines, and just so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from virtcim.cli import COMMANDS
from virtcim.cli.application import run
from virtcim.cli.quick import explain

_PLAIN = [
    ["xapi", "SR_BACKEND_FAILURE_44", "--json"],
    ["xapi", "HANDLE_INVALID", "VM", "OpaqueRef:1", "--operation", "VM.start"],
    ["xapi", "HANDLE_INVALID", "--operation=VM.start", "VM", "OpaqueRef:1"],
    ["libvirt", "38", "--text", "Cannot access storage file '/a'", "-1"],
    ["libvirt", "--text=Domain not found: no domain with matching name 'a'"],
    ["qemu", "GenericError", "--text", "x", "--json"],
]
_OTHERS = [
    [],
    ["errormap"],
    ["serve"],
    ["errormap", "list"],
    ["errormap", "explain"],
    ["errormap", "explain", "xapi"],
    ["errormap", "explain", "--help"],
    ["errormap", "explain", "--paste"],
    ["errormap", "explain", "xapi", "X", "--unknown"],
    ["errormap", "explain", "xapi", "X", "--text"],
    ["errormap", "explain", "nobody", "X"],
    ["errormap", "explain", "xapi", "--", "X"],
    ["--version"],
]


@pytest.mark.parametrize("words", _PLAIN)
def test_the_answer_is_the_one_that_the_whole_parser_gives(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    line = ["errormap", "explain", *words]
    assert explain(line) == 0
    quick = capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run(line, COMMANDS)
    assert not ended.value.code
    assert capfd.readouterr() == quick
    assert "ERR_" in quick.out


@pytest.mark.parametrize("line", _OTHERS)
def test_any_other_line_is_left_to_the_parser(
    line: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert explain(line) is None
    assert capfd.readouterr() == ("", "")


def test_an_explanation_in_a_pipe_imports_no_more_than_it_needs() -> None:
    program = (
        "import sys\n"
        "from virtcim.cli.quick import explain\n"
        "assert explain(['errormap', 'explain', 'xapi', 'SR_BACKEND_FAILURE_44']) == 0\n"
        "print([one for one in ('typer', 'rich', 'pywbem', 'libvirt', 'virtcim.errormap.versions',"
        " 'xml.etree', 'hashlib', 'importlib.metadata') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=120
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_a_reader_that_has_gone_away_ends_it_quietly() -> None:
    program = "from virtcim.cli import main; main()"
    words = ["errormap", "explain", "xapi", "SR_BACKEND_FAILURE_44"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait(120) == 141
    assert said == b""


def _translated(program: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, check=False, timeout=120
    )


def test_faults_are_translated_alike_with_and_without_the_whole_parser() -> None:
    line = b'{"id": 1, "source": "xapi", "raw": {"error_description": ["VDI_IN_USE", "r-00017"]}}\n'
    quick = _translated("from virtcim.cli import main; main(['errormap', 'translate'])", 5 * line)
    whole = _translated(
        "from virtcim.cli import COMMANDS\n"
        "from virtcim.cli.application import run\n"
        "run(['errormap', 'translate'], COMMANDS)",
        5 * line,
    )
    assert quick.stdout.count(b"ERR_FILE_IN_USE") == 5
    assert (quick.returncode, quick.stdout, quick.stderr) == (0, whole.stdout, b"")
    assert (whole.returncode, whole.stderr) == (0, b"")


def test_translating_does_not_load_the_parser_of_command_lines() -> None:
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print([one for one in ('typer', 'rich') if one in sys.modules]))\n"
        "from virtcim.cli import main; main(['errormap', 'translate'])"
    )
    assert _translated(program, b"").stdout == b"[]\n"
