"""Starting Python within a server, whatever that is like, and being unloaded again."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path as File

import pytest

from tests.cmpi.conftest import Serve
from tests.cmpi.paths import one
from tests.cmpi.server import KINDS, Server

CopyLibrary = Callable[..., File]


def works(server: Server, provider: int) -> bool:
    answer = server.read(provider, "getInstance", one("id 1"))
    assert answer.status == 0, answer.message
    return len(answer.instances) == 1


@pytest.mark.parametrize(("flavour", "version"), [("Pegasus", 200), ("sfcb", 100)])
@pytest.mark.parametrize("kind", KINDS)
def test_each_interface_is_opened_with_a_name_and_a_version(
    shared: Callable[[str], Server], flavour: str, version: int, kind: str
) -> None:
    answer = shared(flavour).try_open(kind, "Any Näme")
    assert (answer.status, answer.versions, answer.name) == (0, (version, version), "Any Näme")


@pytest.mark.parametrize("is_global", [True, False])
def test_however_it_is_loaded(serve: Serve, library: File, is_global: bool) -> None:
    server = serve()
    server.load(library, is_global=is_global)
    assert works(server, server.open())


def test_after_a_fork(serve: Serve, library: File) -> None:
    server = serve("sfcb")
    server.load(library)
    server.command("fork")
    assert works(server, server.open())


def test_in_a_thread(serve: Serve, library: File) -> None:
    server = serve("Pegasus", "thread")
    server.load(library)
    assert works(server, server.open())


def test_a_process_that_forked_afterwards_is_told_so(serve: Serve, library: File) -> None:
    server = serve("sfcb")
    server.load(library)
    assert works(server, server.open())
    server.command("fork")
    answer = server.try_open("method")
    assert answer.status == 1
    assert answer.message is not None
    assert "which then forked" in answer.message


def test_twice_in_one_process(serve: Serve, library: File) -> None:
    server = serve()
    server.load(library)
    first, second = server.open(name="one"), server.open(name="other")
    assert works(server, first)
    assert works(server, second)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PYTHONHOME", "/nonexistent"),
        ("PYTHONPATH", "/nonexistent"),
        ("VIRTUAL_ENV", "/nonexistent"),
        ("PYTHONSTARTUP", "/nonexistent"),
        ("PYTHONOPTIMIZE", "x"),
        ("LC_ALL", "no_SUCH"),
    ],
)
def test_no_variable_of_the_environment_counts(
    serve: Serve, library: File, variable: str, value: str
) -> None:
    server = serve("Pegasus", **{variable: value})
    server.load(library)
    assert works(server, server.open())


_CHECKOUT = File(__file__).resolve().parents[2]
#: Such as /root, which nobody else may enter.
_CLOSED = [each for each in (_CHECKOUT, *_CHECKOUT.parents) if not each.stat().st_mode & 0o001]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(bool(_CLOSED), reason=f"other users may not enter {_CLOSED}")
def test_under_another_user(serve: Serve, another_library: CopyLibrary) -> None:
    server = serve()
    copied = another_library(host="tests.cmpi.hosts:small")
    opened_to_others(copied.parent)
    server.load(copied)
    server.command("become 65534")
    assert works(server, server.open())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_under_a_user_who_may_not_enter_where_python_is(
    serve: Serve, another_library: CopyLibrary, tmp_path: File
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(sys.executable)
    copied = another_library(executable=str(closed / "python"))
    opened_to_others(copied.parent)
    server = serve()
    server.load(copied)
    server.command("become 65534")
    answer = server.try_open()
    assert (answer.status, answer.provider) == (1, -1)
    assert answer.message is not None
    assert f"{closed}/python, which {copied.with_suffix('.conf')} names, " in answer.message
    assert "cannot be run by this user" in answer.message


def opened_to_others(place: File) -> None:
    """Let others enter and read directories that pytest makes for one user."""
    for folder in (place, *place.parents):
        if folder.owner() == "root" and folder != File("/"):
            folder.chmod(folder.stat().st_mode | 0o055)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"executable": "/nonexistent/python"}, "/nonexistent/python, which "),
        ({"executable": "python3"}, "has no line executable=/PATH/TO/PYTHON"),
        ({"executable": ""}, "has no line executable=/PATH/TO/PYTHON"),
        ({"executable": "/usr/bin/true"}, "virtcim cannot be used with Python 3."),
        ({"executable": "/usr/bin/python3"}, "No module named 'virtcim'"),
    ],
)
def test_what_keeps_python_from_starting_is_told_to_the_client(
    serve: Serve, another_library: CopyLibrary, settings: dict[str, str], reason: str
) -> None:
    server = serve()
    server.load(another_library(**settings))
    for _ in range(2):
        answer = server.try_open()
        assert (answer.status, answer.provider) == (1, -1)
        assert answer.message is not None
        assert reason in answer.message


def environment(directory: File, *, site: str = "", version: str = "") -> str:
    """A virtual environment without virtcim; the path of its Python."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = directory / "lib" / f"python{version or this}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "sitecustomize.py").write_text(site)
    home = File(getattr(sys, "_base_executable", sys.executable)).parent
    (directory / "pyvenv.cfg").write_text(f"home = {home}\nversion = {version or this}.0\n")
    python = directory / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(File(sys.executable).resolve())
    return str(python)


def told(server: Server) -> str:
    """Why no interface opens; the server goes on, and is told the same again."""
    reasons = []
    for kind in KINDS:
        answer = server.try_open(kind)
        assert (answer.status, answer.provider) == (1, -1)
        reasons.append(answer.message)
    assert len({*reasons}) == 1
    assert reasons[0] is not None
    return reasons[0]


def test_an_environment_that_is_gone_is_told(
    serve: Serve, another_library: CopyLibrary, tmp_path: File
) -> None:
    python = environment(tmp_path / "env")
    shutil.rmtree(tmp_path / "env")
    server = serve()
    server.load(another_library(executable=python))
    assert f"{python}, which " in told(server)
    assert "virtcim was removed or moved after the library was built" in told(server)


def test_an_environment_whose_python_is_gone_is_told(
    serve: Serve, another_library: CopyLibrary, tmp_path: File
) -> None:
    # As after an update of the system's Python.
    python = File(environment(tmp_path / "env"))
    python.unlink()
    python.symlink_to("/usr/bin/python3.0")
    server = serve()
    server.load(another_library(executable=str(python)))
    assert f"{python}, which " in told(server)


def test_an_environment_of_another_version_of_python_is_told(
    serve: Serve, another_library: CopyLibrary, tmp_path: File
) -> None:
    server = serve()
    server.load(another_library(executable=environment(tmp_path / "env", version="3.99")))
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    reason = told(server)
    assert f"cannot be used with Python {this}, which the library was built for: " in reason
    assert "No module named 'virtcim'" in reason


@pytest.mark.parametrize(
    "site",
    [
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "raise RuntimeError('not today')",
        "import sys; sys.path[:] = []",
        "import builtins; builtins.__import__ = None",
    ],
)
def test_an_environment_that_breaks_python_as_it_starts_is_told(
    serve: Serve, another_library: CopyLibrary, tmp_path: File, site: str
) -> None:
    server = serve()
    server.load(another_library(executable=environment(tmp_path / "env", site=site)))
    assert told(server)


def test_a_library_without_its_settings_says_so(serve: Serve, another_library: CopyLibrary) -> None:
    copied = another_library()
    copied.with_suffix(".conf").unlink()
    server = serve()
    server.load(copied)
    answer = server.try_open()
    assert (
        answer.message == f"{copied.with_suffix('.conf')} cannot be read; it says where Python is"
    )


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no.such.module:open_host", "No module named 'no'"),
        ("tests.cmpi.hosts:no_such", "no_such"),
        ("tests.cmpi.hosts", "expected"),
    ],
)
def test_a_wrong_host_is_told_with_each_request(
    serve: Serve, another_library: CopyLibrary, host: str, reason: str
) -> None:
    server = serve()
    server.load(another_library(host=host))
    provider = server.open()
    for _ in range(2):
        answer = server.read(provider, "getInstance", one("id 1"))
        assert answer.status == 1
        assert answer.message is not None
        assert answer.message.startswith("ERR_UNKNOWN: ")
        assert reason in answer.message


def test_a_host_that_cannot_be_opened_is_tried_again(
    serve: Serve, another_library: CopyLibrary
) -> None:
    server = serve()
    server.load(another_library(host="tests.cmpi.hosts:not_configured"))
    provider = server.open()
    first = server.read(provider, "getInstance", one("id 1"))
    assert first.message == ("ERR_CREDENTIALS_NOT_SET: there is no /etc/virtcim/virtcim.toml")
    second = server.read(provider, "getInstance", one("id 1"))
    assert second.message is not None
    assert "the disk is gone" in second.message
    assert works(server, provider)


def test_a_server_that_asks_is_told_not_to_unload(server: Server) -> None:
    provider = server.open(name="idle")
    assert server.clean_up(provider, terminating=False).status == 50
    assert works(server, provider)


def test_it_is_loaded_again_after_everything_was_cleaned_up(serve: Serve, library: File) -> None:
    server = serve()
    for _ in range(3):
        server.load(library)
        opened = [server.open(kind) for kind in KINDS]
        assert works(server, opened[0])
        for provider in opened:
            assert server.clean_up(provider, terminating=True).status == 0
        assert server.command("unload").status == 0
        # Python may have threads in it, whatever the server thinks.
        assert library.name in server.mapped()
    # What the providers keep open was given back each time.
    assert server.log == ""


def test_the_others_go_on_when_one_was_cleaned_up(serve: Serve, library: File) -> None:
    server = serve()
    server.load(library)
    first, second = server.open(), server.open("method")
    assert works(server, first)
    assert server.clean_up(second, terminating=True).status == 0
    assert works(server, first)


def test_cleaning_up_what_was_never_asked_anything(serve: Serve, library: File) -> None:
    server = serve()
    server.load(library)
    assert server.clean_up(server.open("indication"), terminating=True).status == 0
