"""Takes descriptions through everything: defined, shown, sent back, changed in every way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

import libvirt
import pywbem
from lxml import etree

from tests.harness.changes import Change, Kind, World
from tests.harness.client import SystemClient
from tests.harness.documents import Documents, EditedDocument, Oracle, difference, parse
from tests.harness.kinds import KINDS
from tests.harness.live import LiveTwin, Mirror, live_text
from tests.harness.outcomes import Outcome, Verdict
from tests.harness.refusals import FAILING
from tests.harness.shown import disagreements

__all__ = ["NotDefinedError", "Runner", "Trial", "batches"]

_NAMES = UUID("1c9c7a3e-2f53-4b3c-9f0a-6f3e2a1b7d55")
_DEADLINE_S = 120.0
_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)


class NotDefinedError(Exception):
    """libvirt here does not take the description; the text is its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """What it all is tried with.

    ``devices`` is how many of one kind are changed in a machine in each way, ``failing_devices``
    how many in each way that must be refused. ``mirror`` is where running machines have their
    twins.
    """

    hypervisor: libvirt.virConnect
    oracle: Oracle
    cim: pywbem.WBEMConnection
    world: World
    mirror: Mirror
    devices: int = 1_000
    failing_devices: int = 1

    def define(self, name: str, xml: str) -> str:
        """Define a description under a name of its own, and give the UUID.

        Where there is no KVM it is emulated instead. Raises NotDefinedError.
        """
        root = parse(xml)
        uuid = str(uuid5(_NAMES, name))
        for tag, value in (("uuid", uuid), ("name", name)):
            element = root.find(tag)
            if element is None:
                element = etree.Element(tag)
                root.insert(0, element)
            element.text = value
        try:
            self._define(root)
        except libvirt.libvirtError as error:
            if root.get("type") != "kvm":
                raise NotDefinedError(error.get_error_message()) from error
            root.set("type", "qemu")
            try:
                self._define(root)
            except libvirt.libvirtError as again:
                raise NotDefinedError(again.get_error_message()) from again
        return uuid

    def _define(self, root: Any) -> None:
        self.hypervisor.defineXML(etree.tostring(root, encoding="unicode"))

    def undefine(self, uuid: str) -> None:
        """Forget a machine."""
        self.hypervisor.lookupByUUIDString(uuid).undefineFlags(_UNDEFINE)

    def wait_until_shown(
        self, uuids: Iterable[str], *, there: bool = True, states: Collection[int] = ()
    ) -> None:
        """Wait until CIM shows all of these machines, or none.

        With ``states`` they must have one of these EnabledStates as well. What is never shown is
        left to whoever looks at it: one machine of many is no reason to stop.
        """
        wanted = set(uuids)
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            systems = self.cim.EnumerateInstances("VirtCIM_ComputerSystem")
            missing = wanted - {
                each["Name"] for each in systems if not states or each["EnabledState"] in states
            }
            if missing == (set() if there else wanted) or time.monotonic() > deadline:
                return
            time.sleep(0.02)

    def outcomes(self, description: str, uuid: str, *, changes: bool = True) -> Iterator[Outcome]:
        """Try everything with one machine that is defined; without ``changes`` only look."""
        trial = Trial(self, description, uuid)
        yield from trial.look()
        yield from trial.send_back()
        if not changes:
            return
        for kind in FAILING:
            yield from trial.make(kind, self.failing_devices)
        for kind in KINDS:
            yield from trial.make(kind, self.devices)
        # Once more what changes may have left behind.
        yield from trial.look("shown afterwards")

    @contextmanager
    def running(self, description: str, uuid: str) -> Iterator[Trial]:
        """Start a machine that is defined, and its twin, until the end of the block."""
        domain = self.hypervisor.lookupByUUIDString(uuid)
        domain.create()
        try:
            with self.mirror.running(Documents.of(domain).persistent) as twin:
                yield Trial(self, description, uuid, twin)
        finally:
            domain.destroy()


class Trial:
    """One machine under trial; a running one has a ``twin``."""

    def __init__(
        self, runner: Runner, description: str, uuid: str, twin: LiveTwin | None = None
    ) -> None:
        self._runner = runner
        self._twin = twin
        self._description = description
        self._uuid = uuid
        self._domain = runner.hypervisor.lookupByUUIDString(uuid)
        self._client = SystemClient(runner.cim, uuid)

    def _documents(self) -> Documents:
        return Documents.of(self._domain)

    def _outcome(self, kind: str, what: str, verdict: Verdict, detail: str = "") -> Outcome:
        return Outcome(
            description=self._description, kind=kind, what=what, verdict=verdict, detail=detail
        )

    def look(self, kind: str = "shown") -> Iterator[Outcome]:
        """Compare what is shown with the document."""
        try:
            found = disagreements(self._client, parse(self._documents().persistent))
        except (pywbem.Error, LookupError) as error:
            found = [f"cannot be read: {error}"]
        yield self._outcome(
            kind, "all", Verdict.WRONG if found else Verdict.RIGHT, "\n".join(found)
        )

    def send_back(self) -> Iterator[Outcome]:
        """Send all settings back as they were read: nothing may change."""
        before = self._documents()

        def send() -> None:
            self._client.modify_system()
            self._client.send(self._client.settings().values())

        refusal = _refusal(send)
        changed = self._documents().differs_from(before)
        verdict = Verdict.WRONG if refusal or changed else Verdict.RIGHT
        yield self._outcome("sent back", "all", verdict, f"{refusal}\n{changed}".strip())

    def possible(self, kind: Kind) -> list[Change]:
        """The changes of a kind that the machine has a place for."""
        return list(kind.changes(parse(self._documents().persistent), self._runner.world))

    def make(self, kind: Kind, devices: int) -> Iterator[Outcome]:
        """Make the changes of a kind, one after the other."""
        root = parse(self._documents().persistent)
        for change in list(kind.changes(root, self._runner.world))[:devices]:
            yield self.make_one(kind.name, change)
            # The changes find their devices in the document as it is by then.
            for child in list(root):
                root.remove(child)
            root.extend(parse(self._documents().persistent))

    def make_one(self, kind: str, change: Change) -> Outcome:
        """Make one change, and compare."""
        before = self._documents()
        edited, objection = self._edited(before, change)
        refusal = _refusal(lambda: change.ask(self._client))
        found = self._documents()
        if refusal:
            changed = found.differs_from(before)
            if changed or not refusal.startswith("ERR_"):
                return self._outcome(kind, change.what, Verdict.WRONG, f"{refusal}\n{changed}")
            # Rightly, where it must be, or where libvirt refuses the edit or loses part of it.
            is_possible = edited is not None and not edited.lost
            verdict = Verdict.REFUSED if is_possible else Verdict.RIGHT
            return self._outcome(kind, change.what, verdict, refusal)
        if edited is None:
            detail = f"was not refused; libvirt says: {objection}" if objection else "not refused"
            return self._outcome(kind, change.what, Verdict.WRONG, detail)
        autostart = before.autostart if change.autostart is None else change.autostart
        changed = found.differs_from(Documents(edited.text, found.live, autostart))
        changed += self._differs_live(change, found.live)
        verdict = Verdict.WRONG if changed else Verdict.RIGHT
        return self._outcome(kind, change.what, verdict, changed)

    def _differs_live(self, change: Change, found: str) -> str:
        """What is not as in the twin, after libvirt's own calls for the same edit."""
        if self._twin is None or change.edit is None:
            return ""
        try:
            self._twin.make(change.edit)
        except libvirt.libvirtError as error:
            return f"libvirt does not take it while the machine runs: {error.get_error_message()}"
        return difference(self._twin.text(), live_text(found))

    def live_difference(self) -> str:
        """In which lines the running machine and its twin differ."""
        assert self._twin is not None
        return difference(self._twin.text(), live_text(self._documents().live))

    def _edited(self, before: Documents, change: Change) -> tuple[EditedDocument | None, str]:
        """What libvirt makes of the edit by hand; None, and why, where it takes none."""
        if change.edit is None:
            return None, ""
        try:
            return self._runner.oracle.after(before.persistent, change.edit), ""
        except libvirt.libvirtError as error:
            return None, error.get_error_message() or ""


def _refusal(call: Callable[[], object]) -> str:
    """What a refused call says; empty where it is not refused."""
    try:
        call()
    except pywbem.CIMError as error:
        return str(error.status_description)
    except (AssertionError, LookupError, pywbem.Error) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def batches(items: Mapping[str, str], size: int) -> Iterator[dict[str, str]]:
    """The items, so many at a time."""
    pending = iter(items.items())
    while batch := dict(islice(pending, size)):
        yield batch
