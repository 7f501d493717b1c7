"""What keeps providers from working that are registered: files that their user cannot read."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from virtcim.cli.hypervisors import OptionError
from virtcim.cli.register.machine import provider_user, unready

ME = pwd.getpwuid(os.geteuid()).pw_name
NOBODY = "nobody"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")


def named(user: str, config: Path | None, system: Path) -> dict[str, str]:
    """The findings but those of where these tests happen to be installed."""
    found = unready(user, config, system)
    assert {one.kind for one in found} <= {"not ready"}
    return {one.name: one.text for one in found if one.name != sys.executable}


def test_a_configuration_that_can_be_read_is_not_told(tmp_path: Path) -> None:
    system = tmp_path / "virtcim.toml"
    system.write_text("[serve]\nhypervisor = 'xapi+unix:///x'\n")
    assert named(ME, None, system) == {}
    assert named(ME, system, system) == {}


def test_a_configuration_that_is_missing_is_told_with_its_path_and_the_user(tmp_path: Path) -> None:
    system = tmp_path / "virtcim.toml"
    assert named(ME, None, system) == {
        str(system): f"the user {ME}, whom the providers run as, finds no configuration there; "
        "until then each client is told ERR_CREDENTIALS_NOT_SET"
    }


def test_another_configuration_than_the_one_that_is_read_is_told(tmp_path: Path) -> None:
    system, other = tmp_path / "virtcim.toml", tmp_path / "other.toml"
    system.write_text("[serve]\n")
    assert named(ME, other, system) == {
        str(other): f"the providers read {system}, and not this file"
    }


def test_a_configuration_that_is_no_toml_is_told(tmp_path: Path) -> None:
    system = tmp_path / "virtcim.toml"
    system.write_text("[serve\n")
    assert named(ME, None, system)[str(system)].startswith(f"cannot read {system}: ")


@pytest.mark.parametrize("option", ["hypervisor-password-file", "hypervisor-ca"])
@pytest.mark.parametrize("form", ["'{}'", "['east={}']"])
def test_a_file_that_the_configuration_names_is_told_where_it_is_missing(
    tmp_path: Path, option: str, form: str
) -> None:
    system, missing = tmp_path / "virtcim.toml", tmp_path / "secret"
    system.write_text(f"[serve]\n{option} = {form.format(missing)}\n")
    [(name, text)] = named(ME, None, system).items()
    assert name == str(missing)
    assert f"of a hypervisor, which {system} names, is not there" in text
    missing.touch()
    assert named(ME, None, system) == {}


@as_root
def test_what_another_user_may_not_read_is_told_with_the_user(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    system, secret = tmp_path / "virtcim.toml", tmp_path / "secret"
    system.write_text(f"[serve]\nhypervisor-password-file = '{secret}'\n")
    secret.touch()
    for path in (system, secret):
        path.chmod(0o600)
    found = named(NOBODY, None, system)
    assert found[str(system)].startswith(
        f"the user {NOBODY}, whom the providers run as, may not read it"
    )
    assert f"the user {NOBODY}, whom the providers run as, may not read it" in found[str(secret)]
    system.chmod(0o644)
    assert [*named(NOBODY, None, system)] == [str(secret)]
    secret.chmod(0o644)
    assert named(NOBODY, None, system) == {}
    # A file that is open in a directory that is not.
    tmp_path.chmod(0o700)
    assert str(system) in named(NOBODY, None, system)


@as_root
def test_a_python_that_the_user_may_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.touch(mode=0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    found = unready(NOBODY, None, Path("/etc/passwd"))
    [finding] = [one for one in found if one.name == str(python)]
    assert f"the user {NOBODY}, whom the providers run as, may not run this Python" in finding.text


def test_the_user_is_the_one_that_is_named() -> None:
    assert provider_user(ME, "no such program") == ME
    with pytest.raises(OptionError, match="there is no user nosuchuser"):
        provider_user("nosuchuser", "no such program")


def test_without_a_name_it_is_whoever_runs_the_server_or_root() -> None:
    assert provider_user("", "no such program") == "root"
    other = NOBODY if os.geteuid() == 0 else None
    program = f"server{os.getpid()}"
    with subprocess.Popen(
        ["/bin/sh", "-c", f"printf {program} > /proc/self/comm && echo ready && read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=other,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        assert provider_user("", program) == (other or ME)
        assert provider_user(ME, program) == ME
