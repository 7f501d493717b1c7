"""Tasks (XenAPI ``task``)."""

from __future__ import annotations

from virtcim.toolstack.accessors import Change, setter_calls
from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.datamodel import CLASSES
from virtcim.toolstack.faults import value_not_supported
from virtcim.toolstack.left_values import check_size

__all__ = ["TASK_CALLS"]

TASK_CALLS = CallTable()

_STATUSES = ("pending", "success", "failure", "cancelling", "cancelled")


@TASK_CALLS.add("task.create", "string label, string description", inline=True, needs_libvirt=False)
def create(context: Context, label: str, description: str) -> str:
    """Make a task that the client itself keeps up to date.

    Raises ``TOO_MANY_PENDING_TASKS``.
    """
    for field, value in (("name_label", label), ("name_description", description)):
        check_size(field, value, context.services.limits.note_bytes)
    return context.services.tasks.create(label, description, owner=context.owner)


@TASK_CALLS.add("task.destroy", "task self", inline=True, needs_libvirt=False)
def destroy(context: Context, task: str) -> None:
    """Forget a task."""
    context.services.tasks.destroy(task)


@TASK_CALLS.add("task.cancel", "task task", asynchronous=True, needs_libvirt=False)
def cancel(context: Context, task: str) -> None:
    """Ask for the operation of a task to be given up."""
    context.services.tasks.cancel(task)


@TASK_CALLS.add("task.set_status", "task self, string value", inline=True, needs_libvirt=False)
def set_status(context: Context, task: str, value: str) -> None:
    """Set the status of one's own task."""
    if value not in _STATUSES:
        raise value_not_supported("value", value, f"must be one of {', '.join(_STATUSES)}")
    context.services.tasks.set(task, "status", value)


@TASK_CALLS.add("task.set_progress", "task self, float value", inline=True, needs_libvirt=False)
def set_progress(context: Context, task: str, value: float) -> None:
    """Set the progress of one's own task."""
    context.services.tasks.set(task, "progress", value)


@TASK_CALLS.add("task.set_result", "task self, string value", inline=True, needs_libvirt=False)
def set_result(context: Context, task: str, value: str) -> None:
    """Set the result of one's own task."""
    check_size("result", value, context.services.limits.note_bytes)
    context.services.tasks.set(task, "result", value)


@TASK_CALLS.add("task.set_error_info", "task self, set value", inline=True, needs_libvirt=False)
def set_error_info(context: Context, task: str, value: list[str]) -> None:
    """Set the error of one's own task."""
    check_size("error_info", value, context.services.limits.note_bytes)
    context.services.tasks.set(task, "error_info", value)


def _set_other_config(context: Context, ref: str, field: str, change: Change) -> None:
    context.services.tasks.annotate(ref, field, change)


for _call in setter_calls(CLASSES["task"], "other_config", _set_other_config):
    TASK_CALLS.enter(_call)
