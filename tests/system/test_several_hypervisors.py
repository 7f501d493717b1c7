"""One CIM server over several hypervisors: one that is down fails in its namespace alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import pywbem
from daemons import Daemon, DaemonError

from tests.system.machines import machine_name, simulated_host_xml
from tests.system.waiting import wait_for


def names(cim: pywbem.WBEMConnection, namespace: str) -> set[str] | str:
    """The names of the virtual systems there, or the code of the error."""
    try:
        systems = cim.EnumerateInstances("CIM_ComputerSystem", namespace=namespace)
    except pywbem.CIMError as error:
        return str(error.status_description).partition(":")[0]
    return {one["ElementName"] for one in systems if one.classname == "VirtCIM_ComputerSystem"}


def test_each_hypervisor_has_its_namespace_and_its_troubles(
    short_path: Path,
    start_daemon: Callable[..., Daemon],
    start_toolstack: Callable[..., tuple[Daemon, str]],
) -> None:
    toolstacks = []
    for number in range(2):
        description = short_path / f"host-{number}.xml"
        description.write_text(simulated_host_xml(number + 1))
        toolstacks.append(start_toolstack(f"test://{description}"))
    (_, here), (there_daemon, there) = toolstacks
    server = start_daemon(
        *("serve", "--hypervisor", here, "--hypervisor", f"there={there}"),
        *("--hypervisor", f"nowhere=xapi+unix://{short_path}/nothing.sock"),
        *("--listen", "http://127.0.0.1:0", "--auth", "none"),
        *("--state", str(short_path / "serve")),
    )
    lost = "ERR_COMMUNICATION_NOT_ESTABLISHED"
    one, two = {machine_name(0)}, {machine_name(0), machine_name(1)}
    with pywbem.WBEMConnection(server.url, None) as cim:
        # It is ready before it has reached them, where that takes long.
        for place, expected in (("", one), ("/there", two)):
            wait_for(
                lambda place=place: names(cim, f"root/virt{place}"),  # type: ignore[misc]
                lambda found, expected=expected: found == expected,  # type: ignore[misc]
                "the virtual systems",
            )
        assert names(cim, "root/virt/nowhere") == lost
        there_daemon.kill()
        wait_for(lambda: names(cim, "root/virt/there"), lambda found: found == lost, "the loss")
        assert names(cim, "root/virt") == one
        there_daemon.start()
        wait_for(lambda: names(cim, "root/virt/there"), lambda found: found == two, "its return")


@pytest.mark.parametrize("twice", [("", ""), ("a=", "a=")])
def test_two_hypervisors_of_one_name_are_refused(
    short_path: Path, start_daemon: Callable[..., Daemon], twice: tuple[str, str]
) -> None:
    url = f"xapi+unix://{short_path}/nothing.sock"
    with pytest.raises(DaemonError, match="two hypervisors"):
        start_daemon(
            *("serve", "--hypervisor", twice[0] + url, "--hypervisor", twice[1] + url),
            *("--listen", "http://127.0.0.1:0", "--auth", "none"),
            *("--state", str(short_path / "serve")),
        )
