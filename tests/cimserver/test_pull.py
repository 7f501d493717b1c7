"""Open enumerations: pulled piece by piece, bound to their owner, and forgotten in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pywbem

from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate, system_path
from tests.cimserver.serving import Served, intrinsic, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import CimError, Record, StatusCode
from virtcim.cimserver import CimServer, Limits
from virtcim.cimserver.enumerations import Enumeration, Enumerations
from virtcim.daemon.roles import parse_rights
from virtcim.mof import Schema

_SYSTEM = "VirtCIM_ComputerSystem"


@pytest.fixture
def connection(server: Served, endpoint: SimulatedEndpoint) -> pywbem.WBEMConnection:
    populate(endpoint, range(7))
    return server.pywbem()


def _code(call: Any, *arguments: Any, **named: Any) -> int:
    with pytest.raises(pywbem.CIMError) as caught:
        call(*arguments, **named)
    return int(caught.value.status_code)


def test_instances_are_pulled_piece_by_piece(connection: pywbem.WBEMConnection) -> None:
    got = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=3, PropertyList=["Name"])
    found = list(got.instances)
    assert (len(found), got.eos) == (3, False)
    while not got.eos:
        got = connection.PullInstancesWithPath(got.context, MaxObjectCount=3)
        found += got.instances
    assert [one["Name"] for one in found] == [one.path["Name"] for one in found]
    assert len({one["Name"] for one in found}) == 7
    assert found[0].path.host
    assert list(found[0].keys()) == ["Name"]


def test_paths_are_pulled_piece_by_piece(connection: pywbem.WBEMConnection) -> None:
    got = connection.OpenEnumerateInstancePaths("CIM_System")
    assert (got.paths, got.eos) == ([], False)
    got = connection.PullInstancePaths(got.context, MaxObjectCount=100)
    assert (len(got.paths), got.eos) == (8, True)


def test_associations_are_pulled_too(connection: pywbem.WBEMConnection) -> None:
    start = connection.EnumerateInstanceNames("VirtCIM_HostSystem")[0]
    hosted = "VirtCIM_HostedDependency"
    for open_instances, filters in (
        (connection.OpenAssociatorInstances, {"AssocClass": hosted}),
        (connection.OpenReferenceInstances, {"ResultClass": hosted}),
    ):
        got = open_instances(start, **filters, MaxObjectCount=5)
        rest = connection.PullInstancesWithPath(got.context, MaxObjectCount=5)
        assert (len(got.instances), len(rest.instances), rest.eos) == (5, 2, True)
    for open_paths, filters in (
        (connection.OpenAssociatorInstancePaths, {"AssocClass": hosted}),
        (connection.OpenReferenceInstancePaths, {"ResultClass": hosted}),
    ):
        got = open_paths(start, **filters, MaxObjectCount=5)
        rest = connection.PullInstancePaths(got.context, MaxObjectCount=5)
        assert (len(got.paths), len(rest.paths), rest.eos) == (5, 2, True)


def test_pywbem_iterates_over_pulls(connection: pywbem.WBEMConnection) -> None:
    found = list(connection.IterEnumerateInstances(_SYSTEM, MaxObjectCount=2))
    assert len(found) == 7


def test_an_enumeration_shows_the_moment_when_it_was_opened(
    connection: pywbem.WBEMConnection, endpoint: SimulatedEndpoint
) -> None:
    got = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1)
    populate(endpoint, ())
    assert connection.EnumerateInstanceNames(_SYSTEM) == []
    assert len(connection.PullInstancesWithPath(got.context, MaxObjectCount=99).instances) == 6


def test_a_closed_or_finished_enumeration_is_gone(connection: pywbem.WBEMConnection) -> None:
    closed = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
    connection.CloseEnumeration(closed)
    finished = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
    connection.PullInstancesWithPath(finished, MaxObjectCount=99)
    invalid = StatusCode.INVALID_ENUMERATION_CONTEXT
    for context in (closed, finished, ("made-up", "root/virt")):
        assert _code(connection.PullInstancesWithPath, context, MaxObjectCount=1) == invalid
        assert _code(connection.CloseEnumeration, context) == invalid
    assert _code(connection.PullInstances, ("made-up", "root/virt"), MaxObjectCount=1) == invalid


def test_an_enumeration_is_pulled_its_own_way_and_place(connection: pywbem.WBEMConnection) -> None:
    context = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
    pull = connection.PullInstancePaths
    assert _code(pull, context, MaxObjectCount=1) == StatusCode.INVALID_PARAMETER
    elsewhere = context[0], "root/virt/other"
    pull = connection.PullInstancesWithPath
    assert _code(pull, elsewhere, MaxObjectCount=1) == StatusCode.INVALID_PARAMETER


def test_the_remaining_objects_are_counted(
    server: Served, connection: pywbem.WBEMConnection
) -> None:
    context = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=2).context
    handle = f"<VALUE>{context[0]}</VALUE>"
    answer = server.ask(intrinsic("EnumerationCount", EnumerationContext=handle))
    assert "<IRETURNVALUE><VALUE>5</VALUE></IRETURNVALUE>" in answer.text


@pytest.mark.parametrize(
    ("options", "status_code"),
    [
        (
            {"FilterQueryLanguage": "DMTF:FQL", "FilterQuery": "Name = 'x'"},
            StatusCode.FILTERED_ENUMERATION_NOT_SUPPORTED,
        ),
        ({"FilterQuery": "Name = 'x'"}, StatusCode.FILTERED_ENUMERATION_NOT_SUPPORTED),
        (
            {"FilterQueryLanguage": "SQL", "FilterQuery": "x"},
            StatusCode.QUERY_LANGUAGE_NOT_SUPPORTED,
        ),
        ({"ContinueOnError": True}, StatusCode.CONTINUATION_ON_ERROR_NOT_SUPPORTED),
        ({"OperationTimeout": 0}, StatusCode.INVALID_OPERATION_TIMEOUT),
        ({"OperationTimeout": 100_000}, StatusCode.INVALID_OPERATION_TIMEOUT),
    ],
)
def test_what_an_enumeration_cannot_do_has_its_own_status(
    connection: pywbem.WBEMConnection, options: dict[str, Any], status_code: int
) -> None:
    assert _code(connection.OpenEnumerateInstances, _SYSTEM, **options) == status_code


@pytest.fixture
def guarded(providers: Interposed, schema: Schema) -> Iterator[Served]:
    application = CimServer(
        providers,
        schema,
        authenticate=lambda user, password: password == f"{user}-password",
        rights=lambda user: parse_rights("administer@*" if user == "root" else "read@*"),
        limits=Limits(open_enumerations_per_client=2),
    )
    with served(application, user="anna", password="anna-password") as running:
        yield running


def test_an_enumeration_belongs_to_who_opened_it(guarded: Served) -> None:
    anna = guarded.pywbem()
    bert = pywbem.WBEMConnection(guarded.url, ("bert", "bert-password"), "root/virt")
    context = anna.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
    invalid = StatusCode.INVALID_ENUMERATION_CONTEXT
    assert _code(bert.PullInstancesWithPath, context, MaxObjectCount=1) == invalid
    assert _code(bert.CloseEnumeration, context) == invalid
    assert len(anna.PullInstancesWithPath(context, MaxObjectCount=9).instances) == 2


def test_an_administrator_closes_the_enumeration_of_another_and_reads_nothing_of_it(
    guarded: Served,
) -> None:
    anna = guarded.pywbem()
    root = pywbem.WBEMConnection(guarded.url, ("root", "root-password"), "root/virt")
    context = anna.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
    invalid = StatusCode.INVALID_ENUMERATION_CONTEXT
    assert _code(root.PullInstancesWithPath, context, MaxObjectCount=1) == invalid
    root.CloseEnumeration(context)
    assert _code(anna.PullInstancesWithPath, context, MaxObjectCount=1) == invalid


def test_too_many_open_enumerations_of_one_client_are_refused(guarded: Served) -> None:
    connection = guarded.pywbem()
    contexts = [
        connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context for _ in range(2)
    ]
    refused = _code(connection.OpenEnumerateInstances, _SYSTEM, MaxObjectCount=1)
    assert refused == StatusCode.SERVER_LIMITS_EXCEEDED
    whole = connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=9)
    assert whole.eos
    connection.CloseEnumeration(contexts[0])
    assert connection.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context


def _enumeration(timeout_s: int) -> Enumeration:
    return Enumeration(
        kind="PullInstancePaths",
        principal="anna",
        namespace="root/virt",
        timeout_s=timeout_s,
        objects=["a", "b"],
        write=lambda one: str(one).encode(),
    )


def test_an_enumeration_expires_when_it_rests_too_long() -> None:
    now = [100.0]
    enumerations = Enumerations(Limits(), clock=lambda: now[0])
    context = enumerations.add(_enumeration(timeout_s=10))
    now[0] += 9
    assert enumerations.find(context, "anna", "ROOT/virt").take(1) == [b"a"]
    now[0] += 9  # each use gives it the whole time again
    assert enumerations.find(context, "anna", "root/virt").take(1) == [b"b"]
    assert len(enumerations) == 1
    now[0] += 10
    assert len(enumerations) == 0
    with pytest.raises(CimError, match="expired"):
        enumerations.find(context, "anna", "root/virt")


def test_an_enumeration_holds_only_what_comes_next() -> None:
    made: list[int] = []

    def objects() -> Iterator[int]:
        for number in range(10_000):
            made.append(number)
            yield number

    enumeration = Enumeration(
        kind="PullInstances",
        principal="anna",
        namespace="root/virt",
        timeout_s=10,
        objects=objects(),
        write=lambda one: str(one).encode(),
        count=lambda: 10_000,
    )
    assert len(made) < 1000
    assert enumeration.take(1500) == [str(number).encode() for number in range(1500)]
    assert len(made) < 2500
    assert enumeration.remaining() == 8500
    assert len(enumeration.take(10_000)) == 8500
    assert enumeration.is_over
    assert enumeration.remaining() == 0


def test_expired_enumerations_make_room_for_new_ones() -> None:
    now = [0.0]
    enumerations = Enumerations(Limits(open_enumerations=1), clock=lambda: now[0])
    enumerations.add(_enumeration(timeout_s=5))
    with pytest.raises(CimError, match="1 enumerations are open already"):
        enumerations.add(_enumeration(timeout_s=5))
    now[0] = 5.0
    enumerations.add(_enumeration(timeout_s=5))
    assert len(enumerations) == 1


def test_an_instance_that_cannot_be_written_costs_no_list_the_others(
    connection: pywbem.WBEMConnection, providers: Interposed
) -> None:
    def odd(record: Record) -> Record:
        if record.path != system_path(3):
            return record
        return Record(record.class_name, {**record.values, "HealthState": 2**16}, record.path)

    providers.odd = odd
    client = connection
    start = client.EnumerateInstanceNames("VirtCIM_HostSystem")[0]
    for found in (
        client.EnumerateInstances(_SYSTEM),
        client.Associators(start, ResultClass=_SYSTEM),
        list(client.IterEnumerateInstances(_SYSTEM, MaxObjectCount=2)),
        list(client.IterAssociatorInstances(start, ResultClass=_SYSTEM, MaxObjectCount=2)),
    ):
        assert [one["ElementName"] for one in found] == [
            f"vm-{number}" for number in range(7) if number != 3
        ]
    # Whoever asks for it alone is told.
    assert _code(client.GetInstance, client.EnumerateInstanceNames(_SYSTEM)[3]) == 1
