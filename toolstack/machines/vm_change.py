"""Changing a VM in its descriptions: everything that was asked and nothing else, or nothing.

Each description is edited from its own elements. What is undone is undone by what was there before,
not by what is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.documents import Document, parse_element, to_xml
from virtcim.toolstack.documents.document import items_of
from virtcim.toolstack.faults import XapiFailure, handle_invalid, value_not_supported
from virtcim.toolstack.machines.device_kinds import KINDS, Device, DeviceChange, DeviceKind
from virtcim.toolstack.machines.domains import (
    PERSISTENT,
    Machine,
    define,
    require_persistent,
    restore,
)
from virtcim.toolstack.machines.live_steps import (
    LiveStep,
    Verb,
    controllers,
    remove_new_controllers,
)
from virtcim.toolstack.machines.machine_document import (
    MachineDocument,
    expected_devices,
    read_documents,
)
from virtcim.toolstack.machines.new_devices import NewDevice, PlacedDevice, place_devices
from virtcim.toolstack.machines.transaction import Transaction
from virtcim.toolstack.reading.identities import KnownDevice

__all__ = ["DeviceChanges", "Edit", "MachineChange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChanges:
    """What shall become of a VM's devices."""

    removed: Sequence[Device] = ()
    changed: Sequence[tuple[Device, DeviceChange]] = ()
    added: Sequence[NewDevice] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An edit of the persistent description that is about no device.

    ``what`` is the CIM property that it sets; ``also_live`` whether the running domain has one of
    its own, so that a VM that is not persistent has it, too.
    """

    what: str
    apply: Callable[[Document], None]
    also_live: bool = False


@dataclass(slots=True)
class _Edited:
    """A device as the persistent description shall keep it."""

    device: Device
    change: DeviceChange
    kept: set[tuple[str, str]]


@dataclass(slots=True)
class MachineChange:
    """One change of one VM; made with its lock held.

    ``at_once``: whether devices that are added or removed come and go in the running machine too.
    """

    context: Context
    machine: Machine
    devices: DeviceChanges
    edits: Sequence[Edit] = ()
    at_once: bool = True
    # Told each persistent description that the change has made.
    defined: Callable[[str], None] = lambda _: None
    added: list[PlacedDevice] = field(default_factory=list)
    _edited: list[_Edited] = field(default_factory=list)
    _steps: list[LiveStep] = field(default_factory=list)
    _config: MachineDocument | None = None
    _live: MachineDocument | None = None

    def prepare(self) -> None:
        """Edit copies of the descriptions; whatever can be refused by now is refused."""
        self._config, self._live = read_documents(self.context, self.machine)
        for device in self.devices.removed:
            self._remove(device)
        for device, change in self.devices.changed:
            self._change(device, change)
        self.added = place_devices(
            self.devices.added, {kind.tag: self._staying(kind) for kind in KINDS.values()}
        )
        for placed in self.added:
            self._add(placed)
        for edit in self.edits:
            if self._config is not None:
                edit.apply(self._config.document)
            elif not edit.also_live:
                require_persistent(self.context, self.machine, edit.what)

    @property
    def config_before(self) -> str:
        """The persistent description as it was, empty for a VM that has none."""
        return "" if self._config is None else self._config.text

    @property
    def live_steps(self) -> Sequence[LiveStep]:
        """What will be done in the running machine."""
        return self._steps

    def make(self, transaction: Transaction) -> None:
        """Change both descriptions; what was done is taken back with the transaction.

        What libvirt may refuse comes first, what a guest may refuse last (``make_last``).
        """
        for step in self._of(Verb.UPDATE):
            self._do(step, transaction)
        self._define(transaction)
        for step in self._of(Verb.DETACH):
            if self._is_replaced(step):
                self._do(step, transaction)
        if self._of(Verb.ATTACH):
            self._note_controllers(transaction)
        for step in self._of(Verb.ATTACH):
            self._do(step, transaction)

    def note_defined(self) -> None:
        """Note the persistent description as it is now, so that it is known as the change's own."""
        if self._config is not None:
            self.defined(
                self.context.services.connection.call(self.machine.domain.XMLDesc, PERSISTENT)
            )

    def make_last(self, transaction: Transaction) -> None:
        """Take devices out of the running machine, which its guest must let go of."""
        for step in self._of(Verb.DETACH):
            if not self._is_replaced(step):
                self._do(step, transaction)

    def _of(self, verb: Verb) -> list[LiveStep]:
        return [step for step in self._steps if step.verb is verb]

    # Editing copies

    def _remove(self, device: Device) -> None:
        live = None if self._live is None else self._live.find(device)
        if live is not None and self._live is not None:
            self._steps.append(LiveStep.detach(device.kind, device.id, to_xml(live)))
            self._live.remove(device)
        if self._config is not None and self._config.find(device) is not None:
            self._config.remove(device)
        elif live is None:
            raise handle_invalid(device.kind.class_name, device.ref)

    def _change(self, device: Device, change: DeviceChange) -> None:
        kind, found = device.kind, False
        if self._live is not None and (live := self._live.find(device)) is not None:
            found = True
            present = kind.present_change(live, change)
            for what in kind.waits_for_next_start(live, present):
                raise self._waits(device.setting, what)
            if not present.is_empty:
                before = to_xml(live)
                kind.change(live, present)
                self._steps.append(LiveStep.update(kind, device.id, before, to_xml(live)))
        if self._config is not None and (element := self._config.find(device)) is not None:
            found = True
            present = kind.present_change(element, change)
            if not present.is_empty:
                kept = items_of(element, without=kind.replaced_items(present))
                self._edited.append(_Edited(device, present, kept))
                kind.change(element, present)
        if not found:
            raise handle_invalid(kind.class_name, device.ref)

    def _waits(self, setting: str, what: str) -> XapiFailure:
        if self._config is None:
            return XapiFailure("VIRTCIM_TRANSIENT", self.machine.ref, what)
        return XapiFailure("VIRTCIM_NEXT_START_ONLY", setting, what)

    def _add(self, device: PlacedDevice) -> None:
        kind, xml = device.new.kind, to_xml(device.element)
        if self._live is not None and (self.at_once or self._config is None):
            self._live.add(kind, device.id, parse_element(xml))
            self._steps.append(LiveStep.attach(kind, device.id, xml))
        if self._config is not None:
            self._config.add(kind, device.id, device.element)

    def _staying(self, kind: DeviceKind) -> list[KnownDevice]:
        """Give the devices whose places are taken."""
        going = {device.id for device in self.devices.removed if device.kind is kind}
        return [device for device in self._expected(kind) if device.id not in going]

    def _expected(self, kind: DeviceKind) -> list[KnownDevice]:
        known = self.context.services.devices.known(self.machine.uuid, kind.tag)
        added = [device.known for device in self.added if device.new.kind is kind]
        return expected_devices(kind, [*known, *added], self._config)

    # Making the change

    def _expect(self, devices: Mapping[str, Sequence[KnownDevice]]) -> None:
        for tag, known in devices.items():
            self.context.services.devices.expect(self.machine.uuid, tag, known)

    def _is_replaced(self, step: LiveStep) -> bool:
        """Whether a device that is added takes the place of the one that goes."""
        return any(
            (step.kind, step.device_id) == (device.new.kind, device.id) for device in self.added
        )

    def _do(self, step: LiveStep, transaction: Transaction) -> None:
        connection, domain = self.context.services.connection, self.machine.domain
        step.make(connection, domain, lambda what: self._waits(step.setting, what))
        transaction.taken_back_by(lambda: step.take_back(connection, domain), step.description)

    def _note_controllers(self, transaction: Transaction) -> None:
        """What libvirt adds for the devices that come goes with them when they do not stay."""
        connection, domain = self.context.services.connection, self.machine.domain
        before = frozenset(controllers(connection, domain))
        transaction.taken_back_by(
            lambda: remove_new_controllers(connection, domain, before),
            "a controller in the running machine",
        )

    def _define(self, transaction: Transaction) -> None:
        """Change the persistent description; its devices are not looked at in between."""
        inventory, uuid = self.context.services.inventory, self.machine.uuid
        known = self.context.services.devices
        before = {kind.tag: known.known(uuid, kind.tag) for kind in KINDS.values()}
        config = self._config
        with inventory.changing(uuid):
            self._expect({kind.tag: self._expected(kind) for kind in KINDS.values()})
            try:
                if config is not None and config.document.text != Document(config.text).text:
                    define(self.context, self.machine, config.document.text)
            except BaseException:
                self._expect(before)
                raise
        transaction.taken_back_by(lambda: self._restore(before), "the persistent description")
        self.note_defined()
        if self._edited:
            self._check_kept()

    def _restore(self, before: Mapping[str, Sequence[KnownDevice]]) -> None:
        with self.context.services.inventory.changing(self.machine.uuid):
            if self._config is not None:
                restore(self.context, self.machine, self._config.text)
            self._expect(before)

    def _check_kept(self) -> None:
        """Refuse a change for which libvirt has dropped what it cannot carry."""
        after = MachineDocument(self.context, self.machine, live=False)
        for edited in self._edited:
            replaced = edited.device.kind.replaced_items(edited.change)
            found = items_of(after.require(edited.device), without=replaced)
            lost = sorted(path for path, _value in edited.kept - found)
            if lost:
                raise value_not_supported(
                    *edited.device.kind.asked(edited.change),
                    f"{edited.device.setting} cannot keep {', '.join(lost)} with it",
                )
