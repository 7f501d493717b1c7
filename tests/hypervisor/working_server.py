"""A XenAPI server that does what it is asked, and the death of who asks it in the middle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.hypervisor.xenapi_server import GIB, NULL, Record, Refusal, XenApiServer
from virtcim.hypervisor.undo import UndoLog, UndoLogError, UnfinishedOperation
from virtcim.wire import ClientInfo

__all__ = ["DeadError", "MortalLog", "WorkingServer"]


class DeadError(Exception):
    """Who called has died: there is nobody to answer."""


class WorkingServer(XenApiServer):
    """Makes, changes and removes machines with their devices and images, as a XenServer does.

    ``die_at`` is the number of the changing call at which the client dies: before it arrives, or
    after it was done. From then on nobody is answered, until ``revive``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[str] = []
        self.die_at = -1
        self.dies_before = False
        self.dead = False
        self.furnish()
        minima = {"memory_static_min": str(GIB), "memory_dynamic_min": str(GIB)}
        self.put("VM", "OpaqueRef:one", name_description="", **minima)
        device = {"other_config": {}, "currently_attached": False}
        self.put("VBD", "OpaqueRef:vbd", uuid="vbd", empty=False, bootable=True, **device)
        self.put("VIF", "OpaqueRef:vif", uuid="vif", MTU="1500", **device)
        self.put("VDI", "OpaqueRef:iso", SR="OpaqueRef:sr", location="/store/a.iso", uuid="iso")
        cd = {"VM": "OpaqueRef:one", "userdevice": "vdd", "type": "CD", "mode": "RO"}
        self.put("VBD", "OpaqueRef:cd", VDI=NULL, empty=True, uuid="cd", **cd, **device)

    def content(self) -> dict[str, dict[str, Record]]:
        """Everything there is, but for tasks; devices that were made again are the same."""
        return {
            name: {
                _name(name, record): {
                    key: value for key, value in record.items() if key not in {"uuid", "VBDs"}
                }
                for record in table.values()
            }
            for name, table in self.tables.items()
            if name != "task"
        }

    def die_after(self, changes: int) -> None:
        """Let the client die at the changing call after so many more."""
        self.die_at = len(self.changes) + changes

    def revive(self) -> None:
        """Another process asks from now on."""
        self.dead = False
        self.die_at = -1
        self.sessions.clear()

    def _answer(self, method: str, params: list[Any], client: ClientInfo) -> Any:
        if self.dead:
            raise DeadError
        name = method.removeprefix("Async.")
        class_name, _, verb = name.partition(".")
        work = self._work(class_name, verb)
        if work is None or method in self.orders or params[0] not in self.sessions:
            return super()._answer(method, params, client)
        self.changes.append(name)
        dies = len(self.changes) - 1 == self.die_at
        if dies and self.dies_before:
            self.dead = True
            raise DeadError
        value = self._performed(method, name, work, params[1:])
        if dies:
            self.dead = True
            raise DeadError
        return value

    def _performed(
        self, method: str, name: str, work: Callable[..., str], params: list[Any]
    ) -> str:
        if method == name:
            return work(*params)
        result: list[str] = []

        def end(task: str, *given: Any) -> None:
            try:
                result.append(work(*given))
            except Refusal as refusal:
                self.end_task(task, *refusal.description)
            else:
                self.end_task(task, result=f"<value>{result[0]}</value>" if result[0] else "")

        self.task(name, end)
        return str(self.orders.pop(f"Async.{name}")(*params))

    def _work(self, class_name: str, verb: str) -> Callable[..., str] | None:
        if verb == "create" and class_name in {"VM", "VBD", "VIF", "VDI"}:
            return lambda record: self.make(class_name, record)
        if verb == "destroy" and class_name in {"VM", "VBD", "VIF", "VDI"}:
            return lambda ref: self.unmake(class_name, ref)
        if verb.startswith("set_") and class_name in {"VM", "VBD"}:
            field = verb.removeprefix("set_")
            return lambda ref, *values: self._set(class_name, field, ref, *values)
        works: Mapping[str, Callable[..., str]] = {
            "VBD.insert": self._fill,
            "VBD.eject": lambda ref: self._fill(ref, NULL),
            **{
                f"{kind}.{verb}": self._plugging(kind, attached=verb == "plug")
                for kind in ("VBD", "VIF")
                for verb in ("plug", "unplug")
            },
        }
        return works.get(f"{class_name}.{verb}")

    def make(self, class_name: str, record: Record) -> str:
        """Make an object, and give its reference."""
        for other in self.tables[class_name].values():
            places = ("VM", "userdevice") if class_name == "VBD" else ("VM", "device")
            if class_name in {"VBD", "VIF"} and all(other[one] == record[one] for one in places):
                raise Refusal("DEVICE_ALREADY_EXISTS", record[places[1]])
        ref = f"OpaqueRef:{class_name}-{self.token}"
        fields = {"power_state": "Halted", "metrics": NULL} if class_name == "VM" else {}
        if class_name == "VDI":
            fields = {"location": f"/store/{record['name_label']}"}
        if class_name in {"VBD", "VIF"}:
            fields = {"currently_attached": False}
        return self.put(class_name, ref, **(fields | record))

    def unmake(self, class_name: str, ref: str) -> str:
        """Remove an object, a machine with its devices."""
        self._record(class_name, ref)
        if class_name == "VDI" and any(one["VDI"] == ref for one in self.tables["VBD"].values()):
            raise Refusal("VDI_IN_USE", ref, "destroy")
        if class_name == "VM":
            for kind in ("VBD", "VIF"):
                for device, record in list(self.tables[kind].items()):
                    if record["VM"] == ref:
                        self.remove(kind, device)
        self.remove(class_name, ref)
        return ""

    def _set(self, class_name: str, field: str, ref: str, *values: Any) -> str:
        self._record(class_name, ref)
        fields = {field: values[0]}
        if field == "memory_limits":
            names = ("static_min", "static_max", "dynamic_min", "dynamic_max")
            fields = {f"memory_{name}": one for name, one in zip(names, values, strict=True)}
        self.put(class_name, ref, **fields)
        return ""

    def _fill(self, ref: str, vdi: str) -> str:
        if (vdi == NULL) == self._record("VBD", ref)["empty"]:
            raise Refusal("VBD_IS_EMPTY" if vdi == NULL else "VBD_NOT_EMPTY", ref)
        self.put("VBD", ref, VDI=vdi, empty=vdi == NULL)
        return ""

    def _plugging(self, class_name: str, *, attached: bool) -> Callable[[str], str]:
        def plug(ref: str) -> str:
            if self._record(class_name, ref)["currently_attached"] == attached:
                done = "ATTACHED" if attached else "DETACHED"
                raise Refusal(f"DEVICE_ALREADY_{done}", ref)
            self.put(class_name, ref, currently_attached=attached)
            return ""

        return plug


def _name(class_name: str, record: Record) -> str:
    """What tells an object apart, also when it was made again."""
    for key in ("userdevice", "device"):
        if class_name in {"VBD", "VIF"} and key in record:
            return f"{record['VM']}/{record[key]}"
    return str(record["uuid"])


class MortalLog:
    """An undo log of a process: when that has died nothing is written any more."""

    def __init__(self, log: UndoLog, is_dead: Callable[[], bool]) -> None:
        self._log = log
        self._is_dead = is_dead

    def put(self, operation: UnfinishedOperation) -> None:
        self._living()
        self._log.put(operation)

    def remove(self, operation_id: str) -> None:
        self._living()
        self._log.remove(operation_id)

    def unfinished(self) -> tuple[UnfinishedOperation, ...]:
        self._living()
        return self._log.unfinished()

    def _living(self) -> None:
        if self._is_dead():
            raise UndoLogError("dead")
