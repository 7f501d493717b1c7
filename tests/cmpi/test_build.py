"""Building the library, and what keeps it from being built."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from virtcim.cmpi import build as building
from virtcim.cmpi.build import LIBRARY, BuildError, build, main, sources
from virtcim.cmpi.host import DEFAULT_HOST, Settings, read_settings
from virtcim.providers import INTEROP
from virtcim.registration import Command
from virtcim.registration.library import library_differences, library_in, library_step


def test_what_stands_beside_the_library(library: Path, tmp_path: Path) -> None:
    assert library.name == f"lib{LIBRARY}.so"
    settings = library.with_suffix(".conf")
    lines = settings.read_text(encoding="utf-8").splitlines()
    # The link within a virtual environment, not what it leads to.
    assert lines[0] == f"executable={Path(sys.executable).absolute()}"
    assert lines[1] == f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert read_settings(settings).host == "tests.cmpi.hosts:everything"
    empty = tmp_path / "empty.conf"
    empty.write_text("no setting\n", encoding="utf-8")
    assert read_settings(empty) == Settings(host=DEFAULT_HOST)


def test_the_library_that_is_built_is_the_one_that_registration_wants(library: Path) -> None:
    made = library_in(library.parent, INTEROP)
    assert (made.path, library_differences(made)) == (library, ())
    [elsewhere] = library_differences(library_in(library.parent, "root/PG_InterOp"))
    assert elsewhere.endswith("is for a server with another interop namespace")


def test_a_library_of_another_python_is_built_anew(library: Path, tmp_path: Path) -> None:
    (tmp_path / library.name).touch()
    text = library.with_suffix(".conf").read_text(encoding="utf-8")
    (tmp_path / library.name).with_suffix(".conf").write_text(text.replace("python=3", "python=2"))
    made = library_in(tmp_path, INTEROP)
    version = f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert library_differences(made) == (f"{made.path} was not built for {version}",)
    [step] = library_step(made, anew=False)
    assert isinstance(step.action, Command)
    assert step.action.words[1:3] == ("-m", "virtcim.cmpi.build")


def test_nothing_else_is_left_behind(library: Path) -> None:
    names = {each.name for each in library.parent.iterdir()}
    assert names == {library.name, library.with_suffix(".conf").name}


def test_the_parts_in_c_are_all_there() -> None:
    found = {each.name for each in sources()}
    assert found == {"alike.c", "answers.c", "from_cmpi.c", "interfaces.c", "start.c", "to_cmpi.c"}


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent/cc")
    with pytest.raises(BuildError, match="there is no C compiler: /nonexistent/cc: No such file"):
        build(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_with_a_compiler_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "cc -no-such-option")
    (tmp_path / f"lib{LIBRARY}.so").write_text("the one before", encoding="utf-8")
    assert main(["--into", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("the bridge cannot be built: cc -no-such-option ")
    assert "unrecognized command-line option" in told
    # What was there is there.
    assert (tmp_path / f"lib{LIBRARY}.so").read_text(encoding="utf-8") == "the one before"


def test_without_the_headers_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: "/nonexistent")
    with pytest.raises(BuildError, match=r"/nonexistent/Python.h is not there: .*python3-dev"):
        build(tmp_path)


def test_without_cffi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "find_spec", lambda _name: None)
    with pytest.raises(BuildError, match=r"pip install 'virtcim\[cmpi\]'"):
        build(tmp_path)
