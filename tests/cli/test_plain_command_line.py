"""The toolstack's command line is read the same with and without typer."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from virtcim.cli import plain, toolstack
from virtcim.cli.toolstack_daemon import Arguments
from virtcim.daemon.limits import limits_of
from virtcim.toolstack.limits import Limits

_LEAST = ("--libvirt", "test:///default", "--listen", "unix:/run/x")


def _by_typer(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Arguments | int:
    """What the command that typer reads is given, or the status that it ends with."""
    given: list[Arguments] = []

    def run(arguments: Arguments) -> int:
        given.append(arguments)
        return 0

    monkeypatch.setattr(toolstack, "run_toolstack", run)
    application = typer.Typer()
    application.callback()(lambda: None)
    toolstack.register(application)
    with pytest.raises(SystemExit) as ended:
        application(["toolstack", *words])
    return given[0] if given else int(ended.value.code or 0)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--listen", "http://127.0.0.1:0", "--listen=https://localhost:1"),
        ("--state", "/var/lib/x", "--users=/etc/users", "--auth", "none"),
        ("--domain-type", "kvm", "--log-level=debug"),
        ("--session-idle", "1", "--reconcile=2.5", "--shutdown-timeout", "60"),
        ("--stop-timeout", "0", "--tls-cert", "c.pem", "--tls-key", "k.pem"),
        ("--image-directory", "/a b", "--image-directory=/c", "--image-source", "https://x/?a=b"),
        ("--reconcile", "20", "--reconcile", "30"),
        ("--limit-request-bytes", "65536", "--limit-body-timeout=2.5", "--limit-threads", "512"),
        ("--limit-body-timeout", "3600"),
    ],
)
def test_a_plain_command_line_says_the_same(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*_LEAST, *more)
    assert plain.plain_arguments(words) == _by_typer(words, monkeypatch)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--libvirt", "test:///default"),
        ("--listen", "unix:/run/x"),
        (*_LEAST, "--config", "/etc/virtcim.toml"),
        (*_LEAST, "--nonsense", "1"),
        (*_LEAST, "--image_directory", "/a"),
        (*_LEAST, "word"),
        (*_LEAST, "--state"),
        (*_LEAST, "--state", ""),
        (*_LEAST, "--state", "-x"),
        (*_LEAST, "--auth", "Basic"),
        (*_LEAST, "--reconcile", "0.5"),
        (*_LEAST, "--reconcile", "nan"),
        (*_LEAST, "--reconcile", "1e9"),
        (*_LEAST, "--reconcile", "-1"),
        (*_LEAST, "--reconcil", "10"),
        (*_LEAST, "-l", "x"),
        (*_LEAST, "--limit-threads", "3"),
        (*_LEAST, "--limit-threads", "513"),
        (*_LEAST, "--limit-threads", "5.0"),
        (*_LEAST, "--limit-body-timeout", "0.5"),
        (*_LEAST, "--limit-nonsense", "5"),
    ],
)
def test_all_else_is_left_to_typer(words: tuple[str, ...]) -> None:
    assert plain.plain_arguments(words) is None


def test_a_variable_of_the_environment_is_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain.plain_arguments(_LEAST) is not None
    monkeypatch.setenv("VIRTCIM_TOOLSTACK_RECONCILE", "20")
    assert plain.plain_arguments(_LEAST) is None


def test_each_option_is_known_to_both() -> None:
    application = typer.Typer()
    application.callback()(lambda: None)
    toolstack.register(application)
    command = get_command(application).commands["toolstack"]  # type: ignore[attr-defined]
    by_name = {parameter.name: parameter for parameter in command.params}
    assert by_name.keys() - plain.OPTIONS == {"config"}
    limits = {one.parameter: one for one in limits_of(Limits)}
    fields = {field.name for field in dataclasses.fields(Arguments)}
    assert by_name.keys() - {"config"} - limits.keys() == fields - {"limits"}
    kept = Arguments(libvirt="", listen=())
    defaults = {
        name: parameter.default
        for name, parameter in by_name.items()
        if name not in ("config", "libvirt", "listen")
    }
    assert {name: value or None for name, value in defaults.items()} == {
        name: (getattr(kept.limits, limits[name].field) if name in limits else getattr(kept, name))
        or None
        for name in defaults
    }


def test_a_plain_start_loads_neither_typer_nor_what_only_clients_need() -> None:
    program = (
        "import sys\n"
        "from virtcim.cli import main\n"
        "try:\n"
        "    main(['toolstack', '--libvirt', 'x', '--listen', 'nowhere'])\n"
        "finally:\n"
        "    print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "nowhere" in ended.stderr) == (1, True)
    loaded = set(ended.stdout.split())
    assert "libvirt" in loaded
    assert not loaded & {"typer", "click", "rich", "pydantic", "httpcore", "lxml", "uvicorn"}


def test_a_mistake_is_told_in_the_words_of_typer(tmp_path: Path) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("virtcim"), "toolstack", *_LEAST, "--reconcile", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert "--reconcile" in ended.stderr
