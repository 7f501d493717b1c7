"""Other Pythons are found, used and told of; one that cannot be had is no silent success."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from debian_python import DebianPythonError, debian_python
from pythons import _Interpreter, _on_path, _Report, _run_tests

_ROOT = Path(__file__).parents[2]
_OWN = f"3.{sys.version_info[1]}"


def _program(directory: Path, name: str, script: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_pythons_on_the_path_are_those_that_are_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    newer = _program(first, "python3.98", "echo 3.98.1")
    _program(first, "python3.9", "echo 3.9.2")
    _program(first, "python3.97", "exit 1")
    _program(first, "python3.98-config", "echo 3.98.1")
    _program(first, f"python{_OWN}", f"echo {_OWN}.1")
    second.mkdir()
    (second / "python3.98").symlink_to(newer)
    _program(second, "python3.99", "echo 3.99.0rc1")
    monkeypatch.setenv("PATH", f"{first}:{second}:{tmp_path / 'missing'}")
    found = [(one.program, one.version, one.minor) for one in _on_path()]
    assert found == [
        (newer, "3.98.1", "3.98"),
        (second / "python3.99", "3.99.0rc1", "3.99"),
    ]


def _environment() -> _Interpreter:
    one = _Interpreter(program=Path(sys.executable), version="3.98.1")
    one.environment = Path(sys.prefix)
    return one


def test_the_outcome_of_the_tests_is_counted_and_told(tmp_path: Path) -> None:
    good, bad, none = (tmp_path / f"test_{name}.py" for name in ("good", "bad", "none"))
    good.write_text("def test_a(): pass\ndef test_b(): pass\n")
    bad.write_text("def test_c(): pass\ndef test_d(): assert False\n")
    none.write_text("")
    well = _environment()
    _run_tests([well], [str(good)], 2, _Report())
    assert well.summary() == "Python 3.98.1: ok, 2 tests passed"
    badly = _environment()
    _run_tests([badly], [str(good), str(bad)], 2, _Report())
    assert badly.summary() == f"Python 3.98.1: FAILED in {bad}, 3 tests passed"
    # Nothing that ran is nothing that passed.
    empty = _environment()
    _run_tests([empty], [str(none)], 1, _Report())
    assert empty.failed == [str(none)]


def test_without_its_binding_what_needs_libvirt_is_left_out_and_told() -> None:
    one = _environment()
    one.has_libvirt = False
    _run_tests([one], ["tests/toolstack"], 1, _Report())
    assert one.summary() == "Python 3.98.1: ok, 0 tests passed, without libvirt"


@pytest.mark.parametrize("suite", ["", "../x", "a b", "Trixie", "x/y"])
def test_what_is_no_suite_is_refused(tmp_path: Path, suite: str) -> None:
    with pytest.raises(DebianPythonError, match="no name of a suite"):
        debian_python(suite, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_mirror_is_that_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The double of apt-get notes its sources, and downloads nothing."""
    noted = tmp_path / "noted"
    programs = tmp_path / "programs"
    _program(
        programs,
        "apt-get",
        f"""case "$*" in
            indextargets*)
                echo 'Other main http://other.example/x/'
                echo 'Debian main http://mirror.example/debian-security/'
                echo 'Debian contrib http://contrib.example/debian/'
                echo 'Debian main http://mirror.example/debian/' ;;
            *" update --error-on=any")
                for each; do case $each in
                    -oDir::Etc::sourcelist=*) cat "${{each#*=}}" >{noted} ;;
                esac; done
                echo 'W: a warning' >&2; echo 'E: no way there' >&2; exit 100 ;;
            *) echo "E: not expected: $*" >&2; exit 1 ;;
        esac""",
    )
    _program(programs, "dpkg-deb", "exit 1")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with pytest.raises(DebianPythonError, match=r"^apt-get: E: no way there$"):
        debian_python("trixie", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert noted.read_text() == "deb http://mirror.example/debian/ trixie main\n"


def test_a_python_that_cannot_be_had_is_told_and_has_a_status_of_its_own(tmp_path: Path) -> None:
    _program(tmp_path, "apt-get", "echo 'E: no mirror today' >&2; exit 100")
    _program(tmp_path, "dpkg-deb", "exit 1")
    done = subprocess.run(
        [sys.executable, _ROOT / "scripts" / "pythons.py", "--debian", "suite-of-a-test"],
        env={"PATH": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75
    assert done.stdout.splitlines()[-1] == (
        "The Python of Debian suite-of-a-test: NOT RUN: apt-get: E: no mirror today"
    )


def test_supported_versions_are_named_for_package_indexes() -> None:
    text = (_ROOT / "pyproject.toml").read_text()
    named = re.findall(r"Programming Language :: Python :: 3\.([0-9]+)", text)
    [lowest] = re.findall(r'requires-python = ">=3\.([0-9]+)"', text)
    assert named == ["11", "12", "13"]
    assert named[0] == lowest
