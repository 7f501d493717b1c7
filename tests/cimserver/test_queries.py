"""Queries as clients send them: ExecQuery, and enumerations that a query opens."""

from __future__ import annotations

from typing import Any

import pytest
import pywbem

from tests.cimserver.population import populate
from tests.cimserver.serving import Served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import StatusCode

_CQL, _WQL = "DMTF:CQL", "WQL"


@pytest.fixture
def connection(server: Served, endpoint: SimulatedEndpoint) -> pywbem.WBEMConnection:
    populate(endpoint, range(7))
    return server.pywbem()


def _refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int, str]:
    with pytest.raises(pywbem.CIMError) as caught:
        call(*arguments, **named)
    return int(caught.value.status_code), caught.value.status_description


@pytest.mark.parametrize("language", [_CQL, _WQL])
def test_the_instances_that_a_condition_is_true_of_are_given(
    connection: pywbem.WBEMConnection, language: str
) -> None:
    every = connection.EnumerateInstances("CIM_ComputerSystem")
    wanted = every[2]["Name"]
    query = f"SELECT * FROM CIM_ComputerSystem WHERE Name = '{wanted}'"
    [found] = connection.ExecQuery(language, query)
    assert found.properties == every[2].properties
    assert (found.path.classname, found.path.namespace) == (every[2].path.classname, "root/virt")
    assert found.path.host
    others = connection.ExecQuery(language, query.replace("=", "<>"))
    assert {one["Name"] for one in others} == {one["Name"] for one in every} - {wanted}
    assert connection.ExecQuery(language, query.replace(wanted, "nobody")) == []


def test_only_selected_properties_are_given(connection: pywbem.WBEMConnection) -> None:
    found = connection.ExecQuery(_WQL, "SELECT Name, s.EnabledState FROM CIM_ComputerSystem s")
    assert len(found) == 8
    assert {name for one in found for name in one} <= {"Name", "EnabledState"}


def test_a_query_opens_an_enumeration(connection: pywbem.WBEMConnection) -> None:
    got = connection.OpenQueryInstances(
        _CQL, "SELECT Name FROM VirtCIM_ComputerSystem", MaxObjectCount=3
    )
    found = list(got.instances)
    assert (len(found), got.eos) == (3, False)
    while not got.eos:
        got = connection.PullInstances(got.context, MaxObjectCount=3)
        found += got.instances
    assert len({one["Name"] for one in found}) == 7


@pytest.mark.parametrize("use_pull", [True, False])
def test_pywbem_goes_through_the_result_with_pulls_and_without(
    server: Served, connection: pywbem.WBEMConnection, use_pull: bool
) -> None:
    client = server.pywbem(use_pull_operations=use_pull)
    query = "SELECT Name FROM VirtCIM_ComputerSystem"
    asked = client.IterQueryInstances(_CQL, query, MaxObjectCount=2)
    assert len({one["Name"] for one in asked.generator}) == 7


def test_an_unknown_language_is_refused_by_name(connection: pywbem.WBEMConnection) -> None:
    for call in (connection.ExecQuery, connection.OpenQueryInstances):
        code, said = _refusal(call, "SQL", "SELECT * FROM CIM_System")
        assert code == StatusCode.QUERY_LANGUAGE_NOT_SUPPORTED
        assert "SQL" in said


def test_a_wrong_query_is_refused_with_its_place(connection: pywbem.WBEMConnection) -> None:
    for call in (connection.ExecQuery, connection.OpenQueryInstances):
        code, said = _refusal(call, _CQL, "SELECT * FROM CIM_System WHERE Name > 5")
        assert code == StatusCode.INVALID_QUERY
        assert "character 39: Name is no such value: it is a string" in said


def test_a_description_of_the_result_is_refused(connection: pywbem.WBEMConnection) -> None:
    query = "SELECT * FROM CIM_System"
    code, _ = _refusal(connection.OpenQueryInstances, _CQL, query, ReturnQueryResultClass=True)
    assert code == StatusCode.NOT_SUPPORTED
