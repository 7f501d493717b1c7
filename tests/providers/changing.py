"""How virtual systems are changed through the management service."""

from __future__ import annotations

from typing import Any

from tests.providers.management import RASD, SERVICE, VSSD
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    identity,
    image,
)
from virtcim.providers import MethodResult, ObjectPath, Providers, Record

__all__ = [
    "EIGHT",
    "FIVE",
    "ISO",
    "OTHER",
    "TEN",
    "THIRTEEN",
    "call",
    "configuration",
    "modified",
    "rasd",
    "setting",
]

# Of the population: halted with two disks, an empty drive and a port; halted with a disk, a
# medium in the drive, a floppy and a port; running; with a second port that is on no known network.
FIVE, THIRTEEN, EIGHT, TEN = (identity("vm", number) for number in (5, 13, 8, 10))
ISO = image("tools.iso")


def call(providers: Providers, method: str, **parameters: Any) -> MethodResult:
    return providers.invoke_method(SERVICE, method, parameters)


def rasd(setting: str, uuid: str = FIVE, **values: Any) -> Record:
    return Record(RASD, {"InstanceID": f"VirtCIM:{uuid}/{setting}", **values})


def modified(providers: Providers, endpoint: SimulatedEndpoint, *settings: Any) -> Any:
    result = call(providers, "ModifyResourceSettings", ResourceSettings=list(settings))
    assert result.return_value == 0
    references = result.output["ResultingResourceSettings"]
    assert isinstance(references, list)
    assert [providers.get_instance(each).path for each in references] == references  # type: ignore[arg-type]
    return endpoint.modified[-1][1]


OTHER = image("vm8-1.qcow2")


def configuration(uuid: str = FIVE) -> ObjectPath:
    return ObjectPath(VSSD, {"InstanceID": f"VirtCIM:{uuid}"}, namespace="root/virt")


def setting(part: str, uuid: str = FIVE, class_name: str = RASD) -> ObjectPath:
    return ObjectPath(class_name, {"InstanceID": f"VirtCIM:{uuid}/{part}"}, namespace="root/virt")
