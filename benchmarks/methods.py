"""Methods that answer with a job, carried out to their end."""

from __future__ import annotations

import time

import pywbem
from raw_clients import RequestError

__all__ = ["carried_out"]

_JOB_STARTED = 4096
_COMPLETED = 7
_ENDED = frozenset({_COMPLETED, 8, 9, 10})
_LOOK_AGAIN_S = 0.05
_PATIENCE_S = 60.0


def carried_out(
    cim: pywbem.WBEMConnection, method: str, on: pywbem.CIMInstanceName, **parameters: object
) -> pywbem.CIMInstanceName:
    """Invoke a method, follow its job, and give the system that it is about.

    Raises RequestError, and pywbem.Error where a request fails.
    """
    status, output = cim.InvokeMethod(method, on, **parameters)
    if status == 0:
        return output.get("ResultingSystem", on)
    if status != _JOB_STARTED:
        raise RequestError(f"{method} gave {status}")
    deadline = time.monotonic() + _PATIENCE_S
    while (job := cim.GetInstance(output["Job"]))["JobState"] not in _ENDED:
        if time.monotonic() > deadline:
            raise RequestError(f"the job of {method} does not end")
        time.sleep(_LOOK_AGAIN_S)
    if job["JobState"] != _COMPLETED:
        raise RequestError(f"{method}: {job['ErrorDescription']}")
    systems = cim.AssociatorNames(
        output["Job"], AssocClass="CIM_AffectedJobElement", ResultClass="VirtCIM_ComputerSystem"
    )
    return systems[0] if systems else on
