"""Changing memory and processors of a virtual machine (XenAPI ``VM.set_memory_*``, ``VCPUs``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtcim.hypervisor.change import VirtualSystemChange
from virtcim.hypervisor.xenapi.steps import Steps

__all__ = ["ResourceChange"]

_LIMITS = ("memory_static_min", "memory_static_max", "memory_dynamic_min", "memory_dynamic_max")


class ResourceChange:
    """Memory and processors of one virtual machine, as ``record`` tells of them before."""

    def __init__(self, steps: Steps, vm_ref: str, record: Mapping[str, Any]) -> None:
        self._steps = steps
        self._vm_ref = vm_ref
        self._record = record

    def change_memory(self, change: VirtualSystemChange, *, live: bool) -> None:
        """Change the memory, at once too if it is running; its limit only if it is not."""
        before = [int(self._record[name]) for name in _LIMITS]
        static_min, static_max, dynamic_min, dynamic_max = before
        new_static_max = _wanted(change.memory_static_max_bytes, static_max)
        new_dynamic_max = _wanted(change.memory_dynamic_max_bytes, dynamic_max)
        if (new_static_max, new_dynamic_max) == (static_max, dynamic_max):
            return
        # Memory that was not to be ballooned is not to be afterwards.
        fixed = dynamic_min == dynamic_max
        new_dynamic_min = new_dynamic_max if fixed else min(dynamic_min, new_dynamic_max)
        if live and new_static_max == static_max:
            self._set(
                "VM.set_memory_dynamic_range",
                (new_dynamic_min, new_dynamic_max),
                (dynamic_min, dynamic_max),
            )
            return
        after = (
            min(static_min, new_dynamic_min),
            new_static_max,
            new_dynamic_min,
            new_dynamic_max,
        )
        self._set("VM.set_memory_limits", after, tuple(before))

    def change_vcpus(self, change: VirtualSystemChange, *, live: bool) -> None:
        """Change the processors for the next start; the present ones are ``change_vcpus_now``'s."""
        most, initial = int(self._record["VCPUs_max"]), self._initial_vcpus()
        new_most = _wanted(change.vcpus_max, most)
        new_initial = initial if live else _wanted(change.vcpus_at_startup, initial)
        steps = [
            ("VM.set_VCPUs_max", new_most, most),
            ("VM.set_VCPUs_at_startup", new_initial, initial),
        ]
        # There must not be more at the start than at most, in between neither.
        for call, after, before in steps if new_most >= initial else reversed(steps):
            if after != before:
                with self._steps.rollback.step(call, self._vm_ref, str(before)):
                    self._steps.tasks.call(call, self._vm_ref, str(after))

    def change_vcpus_now(self, change: VirtualSystemChange) -> None:
        """Change the processors of a running machine, whose guest must go along."""
        initial = self._initial_vcpus()
        wanted = _wanted(change.vcpus_at_startup, initial)
        if wanted == initial:
            return
        self._set("VM.set_VCPUs_number_live", (wanted,), (initial,))
        # XAPI keeps the number for the next start by itself, and refuses to set it meanwhile.
        if int(self._steps.tasks.call("VM.get_VCPUs_at_startup", self._vm_ref)) != wanted:
            with self._steps.rollback.step("VM.set_VCPUs_at_startup", self._vm_ref, str(initial)):
                self._steps.tasks.call("VM.set_VCPUs_at_startup", self._vm_ref, str(wanted))

    def _initial_vcpus(self) -> int:
        return int(self._record["VCPUs_at_startup"])

    def _set(self, call: str, after: tuple[int, ...], before: tuple[int, ...]) -> None:
        with self._steps.rollback.step(call, self._vm_ref, *map(str, before)) as step:
            self._steps.run(step, call, self._vm_ref, *map(str, after))


def _wanted(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
