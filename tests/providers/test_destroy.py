"""Destroying virtual systems."""

from __future__ import annotations

import pytest

from tests.providers.management import SERVICE, VSSD
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    identity,
)
from virtcim.providers import CimError, MethodResult, ObjectPath, Providers, StatusCode


def test_a_destroyed_system_is_gone(endpoint: SimulatedEndpoint, providers: Providers) -> None:
    keys = {"CreationClassName": "VirtCIM_ComputerSystem", "Name": identity("vm", 0)}
    for class_name, namespace in (
        ("CIM_ComputerSystem", ""),
        ("VirtCIM_ComputerSystem", "root/virt"),
    ):
        path = ObjectPath(class_name, keys, namespace=namespace)
        if identity("vm", 0) not in endpoint.current.virtual_systems:
            with pytest.raises(CimError) as refused:
                providers.invoke_method(SERVICE, "DestroySystem", {"AffectedSystem": path})
            assert refused.value.description.startswith("ERR_VM_NOT_FOUND: ")
            assert refused.value.status_code == StatusCode.NOT_FOUND
        else:
            result = providers.invoke_method(SERVICE, "DestroySystem", {"AffectedSystem": path})
            assert result == MethodResult(return_value=0)


@pytest.mark.parametrize(
    "affected",
    [
        None,
        "text",
        ObjectPath(VSSD, {"InstanceID": f"VirtCIM:{identity('vm', 0)}"}, namespace="root/virt"),
        ObjectPath("VirtCIM_ComputerSystem", {"Name": "x"}, namespace="root/virt"),
    ],
    ids=str,
)
def test_destroying_what_is_no_virtual_system_is_a_bad_parameter(
    endpoint: SimulatedEndpoint, providers: Providers, affected: object
) -> None:
    with pytest.raises(CimError) as refused:
        providers.invoke_method(SERVICE, "DestroySystem", {"AffectedSystem": affected})  # type: ignore[dict-item]
    assert refused.value.description.startswith("ERR_BAD_PARAMETER: ")
    assert len(endpoint.systems) == 20
