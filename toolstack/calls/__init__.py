"""The handlers of the calls, by class."""

from __future__ import annotations

from itertools import chain

from virtcim.toolstack.calls.event import EVENT_CALLS
from virtcim.toolstack.calls.host import HOST_CALLS
from virtcim.toolstack.calls.rows import ROW_CALLS
from virtcim.toolstack.calls.session import SESSION_CALLS
from virtcim.toolstack.calls.task import TASK_CALLS
from virtcim.toolstack.calltable import Call

__all__ = ["CALLS_OF_READERS", "all_calls", "calls_of_changers"]

CALLS_OF_READERS = tuple(chain(SESSION_CALLS, HOST_CALLS, TASK_CALLS, EVENT_CALLS, ROW_CALLS))
"""What whoever reads needs besides the accessors of the classes."""


def calls_of_changers() -> tuple[Call, ...]:
    """Give all other calls: loading them takes longer than reading a hundred machines."""
    from virtcim.toolstack.calls.definition import DEFINITION_CALLS
    from virtcim.toolstack.calls.guest import GUEST_CALLS
    from virtcim.toolstack.calls.modify import MODIFY_CALLS
    from virtcim.toolstack.calls.power import POWER_CALLS
    from virtcim.toolstack.calls.sr import SR_CALLS
    from virtcim.toolstack.calls.sr_lifecycle import SR_LIFECYCLE_CALLS
    from virtcim.toolstack.calls.vbd import VBD_CALLS
    from virtcim.toolstack.calls.vdi import VDI_CALLS
    from virtcim.toolstack.calls.vif import VIF_CALLS
    from virtcim.toolstack.calls.vm import VM_CALLS
    from virtcim.toolstack.calls.vm_fields import VM_FIELD_CALLS
    from virtcim.toolstack.calls.vm_resources import VM_RESOURCE_CALLS

    return tuple(
        chain(
            *(VM_CALLS, VM_FIELD_CALLS, VM_RESOURCE_CALLS, DEFINITION_CALLS, MODIFY_CALLS),
            *(POWER_CALLS, GUEST_CALLS, VBD_CALLS, VIF_CALLS, VDI_CALLS),
            *(SR_CALLS, SR_LIFECYCLE_CALLS),
        )
    )


def all_calls() -> tuple[Call, ...]:
    """Give every call that has a handler of its own."""
    return (*CALLS_OF_READERS, *calls_of_changers())
