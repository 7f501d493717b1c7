"""The bridge as it is installed: configured by a file, over a toolstack of its own and libvirt."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path as File
from tempfile import TemporaryDirectory

import pytest
from daemons import Daemon

from tests.cmpi.conftest import Serve
from tests.cmpi.paths import of_class
from tests.cmpi.server import Answer, Server
from tests.cmpi.words import Path, value_of
from tests.system.waiting import wait_for
from virtcim.mof import cache_directory

SYSTEM = "VirtCIM_ComputerSystem"
ENABLED, DISABLED = 2, 3
JOB_STARTED = 4096
COMPLETED = 7


class Place:
    """A directory with the configuration, and the toolstack over libvirt's test driver it names."""

    def __init__(self, directory: File, serve: Serve, library: File) -> None:
        self._serve = serve
        self._library = library
        self.configuration = directory / "virtcim.toml"
        self.toolstack = Daemon(
            *("toolstack", "--libvirt", "test:///default", "--state", str(directory / "toolstack")),
            *("--listen", f"unix:{directory}/toolstack.sock"),
            log=directory / "toolstack.log",
        )
        self._text = (
            f"[serve]\nhypervisor = 'xapi+unix://{directory}/toolstack.sock'\n"
            f"state = '{directory}/state'\nlisten = 'http://127.0.0.1:5988'\n"
        )

    def configure(self, **options: object) -> None:
        more = "".join(f"{name} = {value}\n" for name, value in options.items())
        self.configuration.write_text(self._text + more)

    def server(self, flavour: str = "Pegasus") -> Server:
        """A CIM server that has loaded the bridge."""
        started = self._serve(
            flavour,
            VIRTCIM_TEST_CONFIGURATION=str(self.configuration),
            VIRTCIM_CACHE=str(cache_directory()),
        )
        started.load(self._library)
        return started


@pytest.fixture
def place(serve: Serve, another_library: Callable[..., File]) -> Iterator[Place]:
    library = another_library(host="tests.cmpi.configured:open_host")
    # The path of a socket is short.
    with TemporaryDirectory(prefix="virtcim-") as directory:
        made = Place(File(directory), serve, library)
        made.configure()
        with made.toolstack:
            yield made


def enumerated(server: Server, class_name: str = SYSTEM) -> Answer:
    return server.read(server.interface("instance"), "enumerateInstances", of_class(class_name))


def the_system(server: Server) -> Path:
    """The one machine that libvirt's test driver begins with, as soon as it is known."""
    answer = wait_for(lambda: enumerated(server), lambda one: one.status == 0, "the systems")
    [found] = answer.instances
    return found.path


def state_of(server: Server, system: Path) -> int:
    answer = server.read(server.interface("instance"), "getInstance", system)
    assert answer.status == 0, answer.message
    return int(answer.instances[0].value("EnabledState"))


def request_state(server: Server, system: Path, state: int) -> Answer:
    return server.invoke(
        server.interface("method"),
        system,
        "RequestStateChange",
        {"RequestedState": ("uint16", state)},
    )


@pytest.mark.parametrize("flavour", ["Pegasus", "sfcb"])
def test_what_was_changed_is_what_is_read_next(place: Place, flavour: str) -> None:
    server = place.server(flavour)
    system = the_system(server)
    assert state_of(server, system) == ENABLED
    for state in (DISABLED, ENABLED):
        answer = request_state(server, system, state)
        assert (answer.status, answer.data) == (0, [("uint32", 0)]), answer.message
        assert state_of(server, system) == state


def test_a_refused_change_tells_the_client_why(place: Place) -> None:
    server = place.server()
    answer = request_state(server, the_system(server), 11)
    refused = request_state(server, the_system(server), 32000)
    assert answer.status == 0, answer.message
    assert refused.status != 0
    assert (refused.message or "").startswith("ERR_")


def test_a_toolstack_that_is_away_is_told_and_never_an_empty_list(place: Place) -> None:
    server = place.server()
    system = the_system(server)
    place.toolstack.kill()
    answer = wait_for(lambda: enumerated(server), lambda one: one.status != 0, "the loss")
    assert (answer.instances, answer.status) == ([], 1)
    assert (answer.message or "").startswith("ERR_COMMUNICATION_NOT_ESTABLISHED: ")
    place.toolstack.start()
    assert the_system(server) == system


def test_a_configuration_that_comes_later_is_read_with_the_next_request(place: Place) -> None:
    place.configuration.unlink()
    server = place.server()
    answer = enumerated(server)
    assert answer.status == 2
    assert (answer.message or "").startswith(
        f"ERR_CREDENTIALS_NOT_SET: the configuration {place.configuration} cannot be read"
    )
    place.configure()
    assert the_system(server)


def test_a_second_server_reads_and_is_refused_changes_until_the_first_has_ended(
    place: Place,
) -> None:
    first, second = place.server(), place.server()
    system = the_system(first)
    assert the_system(second) == system
    refused = request_state(second, system, DISABLED)
    assert refused.status != 0
    assert f"process {first.process.pid} (" in (refused.message or "")
    assert request_state(first, system, DISABLED).status == 0
    wait_for(lambda: state_of(second, system), lambda state: state == DISABLED, "the change")
    first.command("quit")
    first.process.wait()
    assert request_state(second, system, ENABLED).status == 0


def test_a_job_of_a_server_that_was_killed_is_ended_truthfully_by_the_next(place: Place) -> None:
    place.configure(**{"job-after": 0})
    first = place.server()
    system = the_system(first)
    begun = request_state(first, system, DISABLED)
    assert begun.data == [("uint32", JOB_STARTED)], begun.message
    job = value_of(begun.arguments["Job"])
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = place.server()

    def seen() -> Answer:
        return second.read(second.interface("instance"), "getInstance", job)

    ended = wait_for(
        seen,
        lambda one: one.status == 0 and one.instances[0].value("JobState") not in (3, 4),
        "the end of the job",
    )
    assert ended.instances[0].value("JobState") in (COMPLETED, 10)
    told = wait_for(lambda: enumerated(second), lambda one: one.status == 0, "the systems")
    if ended.instances[0].value("JobState") == COMPLETED:
        assert told.instances[0].value("EnabledState") == DISABLED
