"""`virtcim serve` refuses what it cannot use in one sentence that names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_URL = "xapi+unix:///nonexistent/sock"
_LISTEN = ("--listen", "http://127.0.0.1:0")


def _serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("virtcim"), "serve", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--hypervisor", _URL, "--hypervisor", _URL), "two hypervisors have the name ''"),
        (("--hypervisor", f"a={_URL}", "--hypervisor", f"A={_URL}"), "have the name 'A'"),
        (("--hypervisor", f"a b={_URL}"), "'a b' is no name"),
        (("--hypervisor", "xend+http://127.0.0.1"), "dialect of xend+http://127.0.0.1"),
        (("--hypervisor", _URL, "--hypervisor-user", "b=root"), "no hypervisor with the name 'b'"),
        (
            ("--hypervisor", _URL, "--hypervisor-password-file", "/nonexistent/password"),
            "cannot read the password file /nonexistent/password",
        ),
        (
            ("--hypervisor", "xapi+https://127.0.0.1", "--hypervisor-ca", "/nonexistent/ca.pem"),
            "'/nonexistent/ca.pem' holds no certificates to trust",
        ),
        (("--hypervisor", "xapi+http://root:secret@h"), "credentials do not belong"),
        (("--hypervisor", _URL, "--users", "/dev/null/users"), "cannot make the users file"),
        (
            ("--hypervisor", _URL, "--listener-network", "10.0.0.1/8"),
            "--listener-network: 10.0.0.1/8 has host bits set",
        ),
        (("--hypervisor", _URL, "--auth", "none", "--listen", "http://0.0.0.0:0"), "0.0.0.0"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = _serve(*options, *_LISTEN, "--state", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "secret" not in done.stderr


def test_a_state_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    done = _serve(
        *("--hypervisor", _URL, *_LISTEN),
        *("--users", str(tmp_path / "users"), "--state", str(occupied)),
    )
    assert done.returncode == 1
    # The hypervisor that cannot be reached either may have its line in the log before or after.
    [said] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(occupied) in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("serve = 3", "serve is no table of options"),
        ("[serve]\nfoo = 3", "serve has no option foo"),
        ("serve = [", "cannot read"),
        # One value of an option that may be repeated needs no brackets.
        ('[serve]\nlisten = "nothing"', "'nothing' is no listener"),
    ],
)
def test_a_file_of_options_that_cannot_be_used_is_said(
    tmp_path: Path, table: str, said: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(table)
    done = _serve("--hypervisor", _URL, "--config", str(config), "--state", str(tmp_path))
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_the_help_of_every_command_has_an_example() -> None:
    for command in ("serve", "toolstack", "schema"):
        done = subprocess.run(
            [Path(sys.executable).with_name("virtcim"), command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert f"Example: virtcim {command}" in done.stdout
