"""What real machines do by themselves is told to whoever subscribed, a few moments later."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import libvirt
import pytest
from boot_sectors import EXPIRE_WATCHDOG, FILL_DISK, IDLE, PANIC
from private_libvirt import PrivateLibvirt

from tests.hypervisor.contract.systems import eventually
from tests.hypervisor.xenapi_server import endpoint_at
from tests.providers.indications.reading import (
    CREATION,
    DELETION,
    MODIFICATION,
    alerts,
    of_class,
    previous,
    source,
)
from tests.providers.indications.recording_sink import RecordingSink
from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.stack import Stack
from virtcim.cim.records import Record
from virtcim.hypervisor import Endpoint
from virtcim.mof import load_schema
from virtcim.providers import Providers

VM = "VirtCIM_ComputerSystem"
MakeDisk = Callable[..., Path]


@pytest.fixture
def endpoint(stack: Stack) -> Iterator[Endpoint]:
    with endpoint_at(stack.hypervisor_url) as made:
        yield made


@pytest.fixture
def sink(endpoint: Endpoint, qemu: libvirt.virConnect) -> Iterator[RecordingSink]:
    """What is told from now on; nothing is there."""
    assert qemu.listAllDomains() == []
    # What the last test had made is gone.
    eventually(endpoint, lambda seen: not seen.virtual_systems)
    schema = load_schema()
    with closing(Providers([endpoint], schema)) as providers:
        made = RecordingSink(providers.state, schema)
        providers.start_indications(made)
        yield made


def alert_of(sink: RecordingSink, domain: libvirt.virDomain, text: str = "") -> Record:
    """The first alert of a machine whose description has the text.

    That it has stopped may be seen, and told, before libvirt's event says why.
    """

    def found() -> list[Record]:
        uuid = domain.UUIDString()
        return [
            each
            for each in alerts(sink.told)
            if each.values.get("SystemName") == uuid and text in str(each.values["Description"])
        ]

    sink.wait_for(lambda: bool(found()))
    return found()[0]


def last_state(sink: RecordingSink) -> object:
    """The EnabledState of the last change of a machine that was told; None without one."""
    changed = of_class(sink.told, MODIFICATION, VM)
    return source(changed[-1]).values["EnabledState"] if changed else None


def test_a_machine_is_told_from_its_definition_to_its_removal(
    sink: RecordingSink, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    domain = qemu.defineXML(domain_xml("short", disks=(make_disk(IDLE),)))
    sink.wait_for(lambda: bool(of_class(sink.told, CREATION, VM)))
    steps = ((domain.create, 2), (domain.suspend, 9), (domain.resume, 2), (domain.destroy, 3))
    for step, state in steps:
        step()
        sink.wait_for(lambda state=state: last_state(sink) == state)  # type: ignore[misc]
    domain.undefine()
    sink.wait_for(lambda: bool(of_class(sink.told, DELETION, VM)))
    (made,) = of_class(sink.told, CREATION, VM)
    changed = of_class(sink.told, MODIFICATION, VM)
    (gone,) = of_class(sink.told, DELETION, VM)
    assert previous(changed[0]).values == source(made).values
    assert source(gone).values == source(changed[-1]).values
    assert not alerts(sink.told)
    disks = "VirtCIM_DiskResourceAllocationSettingData"
    assert len(of_class(sink.told, CREATION, disks)) == 1
    assert len(of_class(sink.told, DELETION, disks)) == 1


def test_a_guest_that_fills_its_storage_raises_an_alert(
    sink: RecordingSink, qemu: libvirt.virConnect, make_disk: MakeDisk, full_soon: Path
) -> None:
    disk = make_disk(FILL_DISK, size_bytes=16 << 20, directory=full_soon)
    domain = qemu.defineXML(domain_xml("filling", disks=(disk,)))
    domain.create()
    alert = alert_of(sink, domain, "stopped by itself: io-error")
    assert alert.values["MessageID"] == "ERR_OUT_OF_DISK_SPACE"
    arguments = alert.values["MessageArguments"]
    assert isinstance(arguments, list)
    assert {"device=vda", "nospace=true"} <= set(arguments)
    # Once more while it is still full: another stop, another alert.
    count = len(alerts(sink.told))
    domain.resume()
    sink.wait_for(lambda: len(alerts(sink.told)) > count)


def test_an_error_that_only_the_guest_is_told_raises_an_alert(
    sink: RecordingSink, qemu: libvirt.virConnect, make_disk: MakeDisk, full_soon: Path
) -> None:
    disk = make_disk(FILL_DISK, size_bytes=16 << 20, directory=full_soon)
    domain = qemu.defineXML(domain_xml("reporting", disks=(disk,), error_policy="report"))
    domain.create()
    alert = alert_of(sink, domain, "could not be read or written")
    assert alert.values["MessageID"] in ("ERR_CANNOT_ACCESS_DISK_FILE", "ERR_OUT_OF_DISK_SPACE")
    assert alert.values["PerceivedSeverity"] == 3
    arguments = alert.values["MessageArguments"]
    assert isinstance(arguments, list)
    assert {"device=vda", "action=report"} <= set(arguments)


def test_a_guest_that_panics_raises_an_alert(
    sink: RecordingSink, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    domain = qemu.defineXML(domain_xml("panicking", disks=(make_disk(PANIC),)))
    domain.create()
    alert = alert_of(sink, domain, "stopped by itself: crashed")
    assert alert.values["MessageID"] == "ERR_VM_STUCK"


@pytest.mark.parametrize(
    ("action", "description", "severity"),
    [("pause", "stopped by itself: watchdog", 6), ("none", "the watchdog of", 3)],
)
def test_a_watchdog_that_expires_raises_an_alert(
    sink: RecordingSink,
    qemu: libvirt.virConnect,
    make_disk: MakeDisk,
    action: str,
    description: str,
    severity: int,
) -> None:
    disks = (make_disk(EXPIRE_WATCHDOG),)
    domain = qemu.defineXML(domain_xml("watched", disks=disks, watchdog=action))
    domain.create()
    alert = alert_of(sink, domain, description)
    assert alert.values["MessageID"] == "ERR_VM_STUCK"
    assert alert.values["PerceivedSeverity"] == severity


def test_a_panic_that_the_machine_survives_raises_an_alert(
    sink: RecordingSink, qemu: libvirt.virConnect, make_disk: MakeDisk
) -> None:
    domain = qemu.defineXML(domain_xml("again", disks=(make_disk(PANIC),), on_crash="restart"))
    domain.create()
    alert = alert_of(sink, domain, "the guest of the virtual system again panicked")
    assert alert.values["PerceivedSeverity"] == 3


def test_a_machine_whose_emulator_is_killed_raises_an_alert(
    sink: RecordingSink,
    qemu: libvirt.virConnect,
    shared_libvirt: PrivateLibvirt,
    make_disk: MakeDisk,
) -> None:
    domain = qemu.defineXML(domain_xml("murdered", disks=(make_disk(IDLE),)))
    domain.create()
    os.kill(qemu_process(shared_libvirt, domain.UUIDString()), signal.SIGKILL)
    alert = alert_of(sink, domain, "stopped by itself: failed")
    assert alert.values["MessageID"] == "ERR_VM_STUCK"
