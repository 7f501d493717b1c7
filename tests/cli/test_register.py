"""``virtcim register``: without any server, and with the programs of an sfcb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.cli.in_process import virtcim
from tests.registration.sfcb_stand_in import StandInSfcb
from virtcim.mof import cache_directory, ensure_schema, has_current_schema
from virtcim.providers import INTEROP
from virtcim.registration import library_in


@pytest.fixture(scope="module", autouse=True)
def _schema() -> None:
    ensure_schema()


def _register(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command says; the schema of the machine is there unless a test says otherwise."""
    where = environment.setdefault("VIRTCIM_SYSTEM_CACHE", str(cache_directory()))
    with (
        # Read when the process begins.
        patch("virtcim.mof.cache.SYSTEM_CACHE", Path(where)),
        patch("virtcim.cli.register.wanted.SYSTEM_CACHE", Path(where)),
    ):
        return virtcim("register", *words, **environment)


def _shown(server: str, directory: Path, *words: str) -> dict[str, Any]:
    """What a dry run says, where no server is."""
    done = _register(
        *(server, "--dry-run", "--json", "--directory", str(directory / "kept"), *words),
        PATH=str(directory),
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert not (directory / "kept").exists()
    return answer


def _files(answer: dict[str, Any]) -> dict[str, str]:
    return {Path(one["file"]).name: one["content"] for one in answer["steps"] if "file" in one}


def _commands(answer: dict[str, Any]) -> list[list[str]]:
    return [one["command"] for one in answer["steps"] if "command" in one]


def test_a_dry_run_for_pegasus_shows_each_file_whole_and_each_command(tmp_path: Path) -> None:
    answer = _shown("pegasus", tmp_path, "--hypervisor", "lab", "--hypervisor", "b=xapi+unix:///x")
    assert answer["interop"] == "root/interop"
    assert answer["namespaces"] == ["root/virt/lab", "root/virt/b"]
    files = _files(answer)
    for name in ("root-virt-lab", "root-virt-b"):
        assert "class VirtCIM_ComputerSystem : CIM_ComputerSystem {" in files[f"pegasus-{name}.mof"]
    registration = files["pegasus-registration.mof"]
    assert 'InterfaceType = "CMPI";' in registration
    assert 'Namespaces = { "root/virt/lab", "root/virt/b", "root/interop" };' in registration
    assert "VirtCIM_ObjectManager" not in registration, "the server has one"
    assert "CIM_IndicationFilter" not in registration, "filters are the server's"
    kept = tmp_path / "kept"
    build, *commands = _commands(answer)
    assert build[1:4] == ["-m", "virtcim.cmpi.build", "--into"]
    assert commands == [
        ["cimmof", "-n", name, str(kept / f"pegasus-{name.replace('/', '-')}.mof")]
        for name in ("root/virt/lab", "root/virt/b", "root/interop")
    ] + [["cimmof", "-n", "root/interop", str(kept / "pegasus-registration.mof")]]
    assert {one["kind"] for one in answer["findings"]} - {"not ready"} == {"assumed"}


def test_a_dry_run_takes_the_interop_namespace_that_it_is_told(tmp_path: Path) -> None:
    answer = _shown("pegasus", tmp_path, "--interop", "root/PG_InterOp")
    assert _commands(answer)[0][-2:] == ["--interop", "root/PG_InterOp"]
    assert _commands(answer)[-1][:3] == ["cimmof", "-n", "root/PG_InterOp"]


def test_a_dry_run_in_a_pipe_has_no_colours_and_the_files_as_they_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("virtcim"), "register", "sfcb", "--dry-run"),
            *("--directory", tmp_path / "k"),
        ],
        env={**os.environ, "PATH": str(tmp_path), "VIRTCIM_SYSTEM_CACHE": str(cache_directory())},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    shown = _files(_shown("sfcb", tmp_path))["virtcim.reg"]
    assert shown.rstrip("\n") in done.stdout
    assert f"sfcbstage -r {tmp_path / 'k' / 'virtcim.reg'}\n" in done.stdout


def test_sfcb_gets_a_stanza_for_each_class_with_one_provider_name(tmp_path: Path) -> None:
    answer = _shown("sfcb", tmp_path)
    text = _files(answer)["virtcim.reg"]
    assert (
        "[VirtCIM_ComputerSystem]\n"
        "   provider: virtcim\n"
        "   location: virtcim_cmpi\n"
        "   type: instance association method\n"
        "   namespace: root/virt\n"
        "   unload: never\n"
        "#\n"
    ) in text
    assert "   type: indication\n" in text
    assert len({line for line in text.splitlines() if "provider:" in line}) == 1
    names = [one["name"] for one in answer["findings"] if one["kind"] == "not carried"]
    assert "VirtCIM_InstModification.PreviousInstance" in names


def test_the_configuration_of_serve_names_the_hypervisors(tmp_path: Path) -> None:
    config = tmp_path / "virtcim.toml"
    config.write_text('[serve]\nhypervisor = ["lab=xapi+unix:///run/a", "xapi+unix:///run/b"]\n')
    answer = _shown("sfcb", tmp_path, "--config", str(config))
    assert answer["namespaces"] == ["root/virt/lab", "root/virt"]


def test_a_name_that_pegasus_cannot_have_is_told_and_the_others_are_registered(
    tmp_path: Path,
) -> None:
    answer = _shown("pegasus", tmp_path, "--hypervisor", "lab-1", "--hypervisor", "lab")
    assert answer["namespaces"] == ["root/virt/lab"]
    [left_out] = [one for one in answer["findings"] if one["kind"] == "not carried"]
    assert left_out["name"] == "root/virt/lab-1"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("pegasus",), 1, "there is no cimcli on the search path; it comes with OpenPegasus"),
        (("pegasus", "--check"), 2, "there is no cimcli"),
        (("sfcb", "--remove"), 1, "there is no sfcbstage on the search path; it comes with sfcb"),
        (("sfcb", "--dry-run", "--hypervisor", "a b"), 1, "'a b' is no name for a hypervisor"),
        (("sfcb", "--dry-run", "--config", "/nowhere.toml"), 1, "there is no file /nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    tmp_path: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    done = _register(*words, "--directory", str(tmp_path / "kept"), PATH=str(tmp_path))
    assert done.returncode == status
    assert done.stdout == ""
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_check_and_remove_are_not_both_possible() -> None:
    done = _register("sfcb", "--check", "--remove")
    assert done.returncode == 2
    assert "--check stands alone" in done.stderr


class _Administrator:
    """Registers with a stand-in of sfcb, as the command does."""

    def __init__(self, directory: Path) -> None:
        self.sfcb = StandInSfcb(directory / "sfcb")
        self.kept = directory / "kept"
        self._library = directory / "lib"
        self._library.mkdir()
        # As if it had been built before.
        library = library_in(self._library, INTEROP)
        library.path.touch()
        library.path.with_suffix(".conf").write_text("\n".join(library.settings))

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return _register(
            *("sfcb", *self.sfcb.options(), "--directory", str(self.kept)),
            *("--library-directory", str(self._library), *words),
            **environment,
        )


def test_registration_with_sfcb_is_there_afterwards_and_is_not_done_again(tmp_path: Path) -> None:
    administrator = _Administrator(tmp_path)
    checked = administrator.run("--check")
    assert checked.returncode == 1
    assert "sfcb's list of providers does not hold the registration" in checked.stdout
    done = administrator.run()
    assert done.returncode == 0, done.stderr
    assert "restart sfcb" in done.stdout
    there = administrator.sfcb.contents()
    register = there[str(administrator.sfcb.registration / "providerRegister")]
    assert "[VirtCIM_ComputerSystem]" in register
    assert "[Other_Thing]" in register
    assert administrator.run("--check").returncode == 0
    again = administrator.run()
    assert again.stdout == "all is there already\n"
    assert administrator.sfcb.contents() == there


def test_removal_from_sfcb_leaves_nothing(tmp_path: Path) -> None:
    administrator = _Administrator(tmp_path)
    before = administrator.sfcb.contents()
    assert administrator.run().returncode == 0
    assert administrator.run("--remove").returncode == 0
    assert administrator.sfcb.contents() == before
    assert not administrator.kept.exists()
    assert administrator.run("--remove").stdout == "nothing was registered\n"


def test_classes_that_sfcb_compiles_itself_are_not_staged_and_other_versions_are_told(
    tmp_path: Path,
) -> None:
    administrator = _Administrator(tmp_path)
    done = administrator.run()
    assert done.returncode == 0
    mof = (administrator.kept / "virtcim-root-virt.mof").read_text()
    assert "class CIM_ManagedElement {" not in mof
    assert "class CIM_ManagedSystemElement : CIM_ManagedElement {" in mof
    assert "root/virt:CIM_ManagedElement: its version is 2.19.0, not 2.45.0" in done.stderr


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("program", ["sfcbstage", "sfcbrepos"])
def test_a_program_of_sfcb_that_fails_leaves_what_was_there(
    tmp_path: Path, program: str, late: bool
) -> None:
    administrator = _Administrator(tmp_path)
    before = administrator.sfcb.contents()
    administrator.sfcb.fails(program, late=late)
    done = administrator.run()
    assert done.returncode == 1
    assert "made to fail" in done.stderr
    assert f"{administrator.sfcb.programs / program} " in done.stderr
    assert "exit status 1" in done.stderr
    if program == "sfcbrepos":
        # The repository itself can be made anew by no other program.
        assert "could not be taken back" in done.stderr
    stage = str(administrator.sfcb.stage)
    now = administrator.sfcb.contents()
    assert {path: text for path, text in now.items() if path.startswith(stage)} == {
        path: text for path, text in before.items() if path.startswith(stage)
    }
    assert not administrator.kept.exists()


def test_an_older_registration_with_sfcb_is_brought_up_to_date(tmp_path: Path) -> None:
    administrator = _Administrator(tmp_path)
    assert administrator.run().returncode == 0
    right = administrator.sfcb.contents()
    for path in (
        administrator.kept / "virtcim.reg",
        administrator.sfcb.staged_registration(),
    ):
        path.write_text("[VirtCIM_ComputerSystem]\n   provider: older\n#\n")
    assert administrator.run("--check").returncode == 1
    administrator.sfcb.fails("sfcbrepos")
    older = administrator.sfcb.contents()
    assert administrator.run().returncode == 1
    assert administrator.sfcb.contents() == older, "the older one is staged again"
    administrator.sfcb.fails("")
    assert administrator.run().returncode == 0
    assert administrator.sfcb.contents() == right


def test_the_schema_of_the_machine_is_made_with_the_registration_and_goes_with_it(
    tmp_path: Path,
) -> None:
    administrator = _Administrator(tmp_path)
    cache = tmp_path / "cache"
    done = administrator.run(VIRTCIM_SYSTEM_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    assert f"compile the CIM schema for the whole machine into {cache}: " in done.stdout
    assert has_current_schema(cache)
    removed = administrator.run("--remove", VIRTCIM_SYSTEM_CACHE=str(cache))
    assert removed.returncode == 0, removed.stderr
    assert "left as it is" not in removed.stderr
    assert not cache.exists()


def test_a_schema_that_is_missing_is_told_and_shown_and_not_made_for_that(tmp_path: Path) -> None:
    administrator = _Administrator(tmp_path)
    cache = tmp_path / "cache"
    checked = administrator.run("--check", VIRTCIM_SYSTEM_CACHE=str(cache))
    assert f"there is no compiled CIM schema in {cache}" in checked.stdout
    shown = administrator.run("--dry-run", "--json", VIRTCIM_SYSTEM_CACHE=str(cache))
    assert [sys.executable, "-m", "virtcim.cli", "schema", "--system"] in [
        words[:5] for words in _commands(json.loads(shown.stdout))
    ]
    assert not cache.exists()


def test_a_schema_that_was_there_stays_and_that_is_told(tmp_path: Path) -> None:
    administrator = _Administrator(tmp_path)
    assert administrator.run().returncode == 0
    removed = administrator.run("--remove")
    assert f"left as it is: {cache_directory()}: the CIM schema was there before" in removed.stderr
    assert [*cache_directory().glob("schema-*.xml")]


def test_a_user_who_is_nobody_is_one_sentence(tmp_path: Path) -> None:
    done = _register("sfcb", "--dry-run", "--run-as", "nosuchuser", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "virtcim register: there is no user nosuchuser\n"
