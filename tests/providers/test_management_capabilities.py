"""What clients can learn of the management service before they use it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.conftest import MakeProviders
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import HOST
from virtcim.errormap import TABLE_VERSION
from virtcim.hypervisor.xenapi.words import system_types
from virtcim.mof import Schema
from virtcim.providers import CimError, Providers, Record, StatusCode

SERVICE = "VirtCIM_VirtualSystemManagementService"
NOT_SERVED = (StatusCode.METHOD_NOT_AVAILABLE, StatusCode.METHOD_NOT_FOUND)


def capabilities(providers: Providers) -> Record:
    (service,) = providers.enumerate_instances("root/virt", SERVICE)
    assert service.path is not None
    (found,) = providers.associators(
        service.path, assoc_class="CIM_ElementCapabilities", result_role="Capabilities"
    )
    return found


def test_the_version_of_the_error_table_is_told_beforehand_and_with_every_error(
    providers: Providers,
) -> None:
    found = capabilities(providers)
    assert found.values["ErrorTableVersion"] == TABLE_VERSION
    assert found.values["InstanceID"] == f"VirtCIM:{HOST.uuid}/VirtualSystemManagementCapabilities"
    (service,) = providers.enumerate_instances("root/virt", SERVICE)
    assert service.path is not None
    with pytest.raises(CimError) as raised:
        providers.invoke_method(service.path, "DestroySystem", {})
    assert raised.value.errors[0].values["ErrorTableVersion"] == TABLE_VERSION


def test_exactly_the_methods_that_are_served_are_said_to_be_supported(
    providers: Providers, schema: Schema
) -> None:
    found = capabilities(providers)
    declared = schema.find("CIM_VirtualSystemManagementCapabilities")
    assert declared is not None
    qualifiers = declared.properties["SynchronousMethodsSupported"].qualifiers
    named = zip(qualifiers["ValueMap"].value, qualifiers["Values"].value, strict=True)
    (service,) = providers.enumerate_instances("root/virt", SERVICE)
    assert service.path is not None
    expected = []
    for number, name in named:
        if not number.isdecimal():
            continue
        method = name.removesuffix("Supported")
        # The value map says resources where the method says resource settings.
        method = {
            "RemoveResources": "RemoveResourceSettings",
            "AddResources": "AddResourceSettings",
        }.get(method, method)
        try:
            providers.invoke_method(service.path, method, {})
        except CimError as error:
            if error.status_code not in NOT_SERVED:
                expected.append(int(number))
    assert 2 in expected
    assert found.values["SynchronousMethodsSupported"] == expected
    assert found.values["AsynchronousMethodsSupported"] == expected


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (("hvm-3.0-x86_64", "xen-3.0-x86_64", "xen-3.0-x86_32p"), ["virtcim:hvm", "virtcim:pv"]),
        (("xen-3.0-x86_64",), ["virtcim:pv"]),
        (("kvm", "qemu"), ["virtcim:hvm"]),
        ((), ["virtcim:hvm"]),
    ],
)
def test_the_types_of_systems_are_those_that_the_host_offers(
    make_providers: MakeProviders, offered: tuple[str, ...], expected: list[str]
) -> None:
    endpoint = SimulatedEndpoint(systems=0)
    host = replace(HOST, system_types=system_types(offered))
    endpoint.current = replace(endpoint.current, hosts={HOST.uuid: host})
    found = capabilities(make_providers(endpoint))
    assert found.values["VirtualSystemTypesSupported"] == expected
