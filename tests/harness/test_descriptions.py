"""Machines that others made keep everything but what was asked for: by descriptions, and drawn."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
import pytest
from hypothesis import HealthCheck, given, reject, settings
from lxml import etree

from tests.harness.changes import Change
from tests.harness.documents import difference, parse
from tests.harness.drawn import descriptions
from tests.harness.edits import text
from tests.harness.kinds import KINDS
from tests.harness.outcomes import Outcome, Verdict, summary
from tests.harness.refusals import FAILING
from tests.harness.runner import NotDefinedError, Runner, Trial
from tests.harness.stage import running_harness

DESCRIPTIONS = sorted((Path(__file__).parent / "descriptions").glob("*.xml"))
COMMAND = Path(__file__).parents[2] / "scripts" / "domain_descriptions"
SMALL = (
    "<domain type='qemu'><name>d</name><memory unit='MiB'>32</memory>"
    "<os><type arch='x86_64'>hvm</type></os></domain>"
)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    libvirt.registerErrorHandler(lambda *_: None, None)
    with running_harness() as running:
        yield running


@pytest.fixture
def small(runner: Runner) -> Iterator[Trial]:
    """A trial with a machine that has nothing in particular."""
    name = f"small-{uuid4().hex[:8]}"
    uuid = runner.define(name, SMALL)
    runner.wait_until_shown([uuid])
    yield Trial(runner, name, uuid)
    runner.undefine(uuid)


def wrong(outcomes: list[Outcome]) -> str:
    return "\n".join(
        f"{each.kind}, {each.what}: {each.detail}"
        for each in outcomes
        if each.verdict is Verdict.WRONG
    )


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda path: path.stem)
def test_nothing_but_what_was_asked_for_changes(runner: Runner, path: Path) -> None:
    uuid = runner.define(path.stem, path.read_text())
    try:
        runner.wait_until_shown([uuid])
        outcomes = list(runner.outcomes(path.stem, uuid))
        assert not wrong(outcomes)
        # Beyond what the host has is refused, whatever libvirt says.
        refused = [each for each in outcomes if each.verdict is Verdict.REFUSED]
        assert {each.kind for each in refused} <= {"most processors"}, refused
    finally:
        runner.undefine(uuid)
        runner.wait_until_shown([uuid], there=False)


RUNNING = {
    "a pc with media": """\
<domain type='qemu'><name>d</name><memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='raw' cache='writethrough'/>
<source file='{image}'/><target dev='vda' bus='virtio'/><serial>kept</serial></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
<interface type='user'><mac address='52:54:00:00:09:01'/><model type='virtio'/>
<link state='down'/></interface>
</devices></domain>
""",
    # Disks on SCSI go without a guest; plugging needs a free port.
    "a q35 with disks that go": """\
<domain type='qemu'><name>d</name><title>kept</title><memory unit='MiB'>64</memory>
<currentMemory unit='MiB'>64</currentMemory><vcpu current='1'>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><boot dev='cdrom'/><boot dev='hd'/></os>
<features><acpi/></features><devices>
<controller type='scsi' model='virtio-scsi'/>
<controller type='pci' index='0' model='pcie-root'/>
<controller type='pci' index='1' model='pcie-root-port'/>
<controller type='pci' index='2' model='pcie-root-port'/>
<controller type='pci' index='3' model='pcie-root-port'/>
<controller type='pci' index='4' model='pcie-root-port'/>
<controller type='pci' index='5' model='pcie-root-port'/>
<disk type='file' device='disk'><driver name='qemu' type='raw' discard='unmap'/>
<source file='{image}' startupPolicy='optional'/><target dev='sda' bus='scsi'/>
<iotune><total_iops_sec>500</total_iops_sec></iotune><serial>kept</serial><wwn>5000c50015ea71aa</wwn>
<alias name='ua-first'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw' cache='none'/>
<source file='{medium}' startupPolicy='optional'/><target dev='sdb' bus='scsi'/><readonly/>
<alias name='ua-drive'/></disk>
<memballoon model='virtio'><stats period='10'/></memballoon>
</devices></domain>
""",
}
# The guest would have to let go of a device, and there is none.
_NEEDS_GUEST = {"a pc with media": {"removed disk", "removed port"}}
# What is taken at once, so that the running machine has another document afterwards.
_AT_ONCE = {
    "a pc with media": {"description", "memory", "medium", "added disk"},
    "a q35 with disks that go": {"description", "memory", "medium", "added disk", "removed disk"},
}


@pytest.mark.parametrize("name", RUNNING)
def test_a_running_machine_has_the_documents_that_libvirt_would_give_it(
    runner: Runner, name: str
) -> None:
    uuid = runner.define(
        "running",
        RUNNING[name].format(image=runner.world.own_image, medium=runner.world.medium),
    )
    try:
        with runner.running("running", uuid) as trial:
            runner.wait_until_shown([uuid])
            assert not trial.live_difference()
            outcomes = [*trial.look(), *trial.send_back()]
            for kind in (*FAILING, *KINDS):
                if kind.name not in _NEEDS_GUEST.get(name, ()):
                    outcomes += trial.make(kind, 2)
            assert not wrong(outcomes)
            refused = {each.kind for each in outcomes if each.verdict is Verdict.REFUSED}
            assert refused >= {"name", "disk image", "disk bus"}
            taken = {each.kind for each in outcomes if not each.detail}
            assert taken >= _AT_ONCE[name]
    finally:
        runner.undefine(uuid)
        runner.wait_until_shown([uuid], there=False)


def test_the_harness_notices_what_only_the_running_machine_has(runner: Runner) -> None:
    uuid = runner.define("running", RUNNING["a pc with media"].format(image=runner.world.own_image))
    try:
        with runner.running("running", uuid) as trial:
            domain = runner.hypervisor.lookupByUUIDString(uuid)

            def ask(client: Any) -> None:
                client.modify_system(Description="wanted")
                domain.setMetadata(
                    libvirt.VIR_DOMAIN_METADATA_TITLE,
                    *("not wanted", None, None),
                    libvirt.VIR_DOMAIN_AFFECT_LIVE,
                )

            runner.wait_until_shown([uuid])
            change = Change(what="live", ask=ask, edit=text("description", "wanted"))
            outcome = trial.make_one("description", change)
            assert outcome.verdict is Verdict.WRONG
            assert "not wanted" in outcome.detail
    finally:
        runner.undefine(uuid)
        runner.wait_until_shown([uuid], there=False)


def test_the_descriptions_hold_everything_that_must_stay() -> None:
    roots = [etree.parse(path).getroot() for path in DESCRIPTIONS]
    disks = [disk for root in roots for disk in root.iterfind("devices/disk")]
    ports = [port for root in roots for port in root.iterfind("devices/interface")]

    def paths(elements: list[Any]) -> set[str]:
        return {
            part
            for element in elements
            for each in element.iter(etree.Element)
            for part in (each.tag, *(f"{each.tag}@{name}" for name in each.attrib))
        }

    assert {disk.get("type") for disk in disks} == {
        *("file", "block", "network", "volume", "nvme", "vhostuser", "dir")
    }
    assert {source.get("protocol") for disk in disks for source in disk.iter("source")} >= {
        *("nbd", "rbd", "iscsi", "http", "https", "ftp", "gluster", "sheepdog", "ssh", "nfs"),
        "vxhs",
    }
    assert {port.get("type") for port in ports} == {
        *("user", "bridge", "network", "direct", "ethernet", "hostdev", "vhostuser", "internal"),
        *("udp", "mcast", "server", "client", "vdpa", "null"),
    }
    assert paths(ports) >= {
        *("filterref", "link@state", "vlan", "virtualport", "bandwidth", "driver@queues"),
        *("boot@order", "alias", "address", "mtu", "rom", "target@dev", "source@portgroup"),
    }
    assert paths(disks) >= {
        *("driver@cache", "driver@io", "driver@discard", "driver@iothread", "driver@queues"),
        *("driver@error_policy", "iotune", "serial", "wwn", "alias", "address", "boot@order"),
        *("backingStore", "encryption", "secret", "auth", "reservations", "slices", "seclabel"),
    }
    assert any(disk.find("source") is None for disk in disks)


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=descriptions())
def test_any_change_of_any_machine_is_libvirts_own_edit(
    runner: Runner, drawn: tuple[str, list[int]]
) -> None:
    xml, choices = drawn
    try:
        uuid = runner.define(f"drawn-{uuid4().hex[:8]}", xml)
    except NotDefinedError:
        reject()
    try:
        runner.wait_until_shown([uuid])
        trial = Trial(runner, "drawn", uuid)
        outcomes = [*trial.look(), *trial.send_back()]
        for choice in choices:
            kind = (*KINDS, *FAILING)[choice % (len(KINDS) + len(FAILING))]
            possible = trial.possible(kind)
            if possible:
                outcomes.append(trial.make_one(kind.name, possible[choice % len(possible)]))
        assert not wrong(outcomes), xml
        refused = [each for each in outcomes if each.verdict is Verdict.REFUSED]
        assert {each.kind for each in refused} <= {"most processors"}, (refused, xml)
    finally:
        runner.undefine(uuid)
        runner.wait_until_shown([uuid], there=False)


# --------------------------------------------------------------------------------------------------
# The harness itself
# --------------------------------------------------------------------------------------------------


def redefined(trial: Trial, *edits: Any) -> None:
    """What a faulty product does to the document."""
    root = parse(trial._domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    for edit in edits:
        edit(root)
    trial._runner.hypervisor.defineXML(etree.tostring(root, encoding="unicode"))


def test_the_harness_notices_what_was_not_asked_for(small: Trial) -> None:
    wanted = text("description", "wanted")
    change = Change(
        what="more than the description",
        ask=lambda _: redefined(small, wanted, text("title", "not wanted")),
        edit=wanted,
    )
    outcome = small.make_one("description", change)
    assert outcome.verdict is Verdict.WRONG
    assert "not wanted" in outcome.detail


def test_the_harness_notices_that_nothing_was_done(small: Trial) -> None:
    change = Change(what="nothing", ask=lambda _: None, edit=text("description", "wanted"))
    assert small.make_one("description", change).verdict is Verdict.WRONG


def test_the_harness_notices_a_refusal_that_left_something(small: Trial) -> None:
    def ask(client: Any) -> None:
        redefined(small, text("description", "left behind"))
        client.modify_system(BootDevices=["wheel"])

    outcome = small.make_one("boot devices", Change(what="wheel", ask=ask, edit=None))
    assert outcome.verdict is Verdict.WRONG
    assert "left behind" in outcome.detail


def test_the_harness_notices_what_should_have_been_refused(small: Trial) -> None:
    change = Change(what="nothing", ask=lambda _: None, edit=None)
    assert small.make_one("no bus", change).verdict is Verdict.WRONG


def test_documents_that_say_the_same_do_not_differ() -> None:
    one = "<a x='1' y='2'><b/><c> t </c></a>"
    assert not difference(one, '<a y="2" x="1">\n  <b></b>\n  <c> t </c>\n</a>')
    for other in (
        "<a x='1'><b/><c> t </c></a>",
        "<a x='1' y='2'><c> t </c><b/></a>",
        "<a x='1' y='2'><b/><c> t </c><!-- more --></a>",
        "<a x='1' y='2' xmlns:n='urn:n'><b/><c> t </c><n:d/></a>",
    ):
        assert difference(one, other)


def test_the_command_explains_itself_and_refuses_what_is_no_folder(tmp_path: Path) -> None:
    explained = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "--json" in explained.stdout
    refused = subprocess.run(
        [COMMAND, tmp_path / "nowhere"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"{tmp_path / 'nowhere'} is no folder\n")


def test_outcomes_are_counted_by_kind() -> None:
    outcomes = [
        Outcome(description="d", kind=kind, what="w", verdict=verdict)
        for kind, verdict in (
            ("shown", Verdict.RIGHT),
            ("name", Verdict.REFUSED),
            ("shown", Verdict.WRONG),
        )
    ]
    assert summary(outcomes) == {
        "shown": {Verdict.RIGHT: 1, Verdict.WRONG: 1},
        "name": {Verdict.REFUSED: 1},
    }
