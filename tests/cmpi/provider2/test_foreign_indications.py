"""Indications of providers of other people, and how they end."""

from __future__ import annotations

import pytest

from tests.cmpi.provider2.conftest import Load
from tests.cmpi.provider2.shapes import NAMESPACE
from tests.cmpi.server import KINDS, Server
from tests.cmpi.words import Path
from virtcim.cim.records import StatusCode
from virtcim.cmpi.bridge import DO_NOT_UNLOAD

ALARMS = Path(namespace=NAMESPACE, class_name="Test_Alarms")
PLACE = Path(namespace=NAMESPACE, class_name="Test_Alarm")
QUERY = "select * from Test_Alarm"


@pytest.fixture
def alarms(flavour: str, load: Load) -> Server:
    return load(flavour, "alarms.py")


def _filter(server: Server, provider: int, operation: str, query: str = QUERY) -> int:
    answer = server.read(provider, operation, PLACE, "Test_Alarm", query)
    return answer.status


def test_an_indication_comes_from_a_thread_of_the_provider(alarms: Server) -> None:
    indications, methods = alarms.open("indication"), alarms.open("method")
    assert _filter(alarms, indications, "authorizeFilter") == 0
    assert _filter(alarms, indications, "activateFilter") == 0
    assert alarms.run(indications, "enableIndications").status == 0
    alarms.invoke(methods, ALARMS, "Ring", {"Text": ("string", "Feuer 火")})
    namespace, one = alarms.command("delivered 1").indications[0]
    assert namespace == NAMESPACE
    assert one.value("Text") == "Feuer 火"
    assert one.value("Severity") == 3
    assert one.value("IndicationTime") == "20261201000000.000000+000"
    assert "SourceInstance" in one.properties
    assert alarms.run(indications, "disableIndications").status == 0
    assert alarms.command("contexts").contexts == 0


def test_an_indication_may_come_from_the_thread_of_a_request(alarms: Server) -> None:
    indications, methods = alarms.open("indication"), alarms.open("method")
    answer = alarms.invoke(methods, ALARMS, "RingAtOnce", {"Text": ("string", "early")})
    assert answer.status == StatusCode.FAILED
    assert "not enabled" in (answer.message or "")
    alarms.run(indications, "enableIndications")
    answer = alarms.invoke(methods, ALARMS, "RingAtOnce", {"Text": ("string", "now")})
    assert answer.status == 0, answer.message
    (_, one), *others = alarms.command("delivered 1").indications
    assert (one.value("Text"), others) == ("now", [])
    alarms.run(indications, "disableIndications")
    answer = alarms.invoke(methods, ALARMS, "RingAtOnce", {"Text": ("string", "late")})
    assert answer.status == StatusCode.FAILED


def test_filters_are_told_to_the_module(alarms: Server) -> None:
    indications, methods = alarms.open("indication"), alarms.open("method")
    assert _filter(alarms, indications, "mustPoll") == StatusCode.NOT_SUPPORTED
    _filter(alarms, indications, "activateFilter")
    answer = alarms.invoke(methods, ALARMS, "Filters", {})
    assert [text for _, text in answer.arguments["filters"][1]] == [
        f"{QUERY} in {NAMESPACE}, Test_Alarm, True"
    ]
    _filter(alarms, indications, "deActivateFilter")
    assert alarms.invoke(methods, ALARMS, "Filters", {}).data == [("uint32", 0)]


def test_a_filter_may_be_refused(alarms: Server) -> None:
    indications = alarms.open("indication")
    answer = alarms.read(
        indications, "authorizeFilter", PLACE, "Test_Alarm", "select Secret from Test_Alarm"
    )
    assert (answer.status, answer.message) == (StatusCode.ACCESS_DENIED, "not for owner")


def test_a_server_without_threads_is_told_so(load: Load) -> None:
    server = load("Pegasus", "alarms.py")
    indications = server.open("indication")
    server.command("without prepareAttachThread")
    answer = server.run(indications, "enableIndications")
    assert answer.status == StatusCode.NOT_SUPPORTED


def test_modules_say_whether_they_may_be_unloaded_and_are_shut_down(alarms: Server) -> None:
    opened = [alarms.open(kind) for kind in KINDS]
    indications, methods = opened[3], opened[2]
    _filter(alarms, indications, "activateFilter")
    assert alarms.clean_up(methods, terminating=False).status == DO_NOT_UNLOAD
    _filter(alarms, indications, "deActivateFilter")
    alarms.run(indications, "enableIndications")
    assert alarms.clean_up(methods, terminating=False).status == DO_NOT_UNLOAD
    alarms.run(indications, "disableIndications")
    for one in opened:
        assert "alarms were shut down" not in alarms.log
        assert alarms.clean_up(one, terminating=False).status == 0
    assert "alarms were shut down" in alarms.log
    # And again from the beginning.
    assert alarms.invoke(alarms.open("method"), ALARMS, "Filters", {}).status == 0


def test_the_end_of_the_server_ends_the_threads(alarms: Server) -> None:
    opened = [alarms.open(kind) for kind in KINDS]
    alarms.run(opened[3], "enableIndications")
    for one in opened:
        assert alarms.clean_up(one, terminating=True).status == 0
    assert alarms.command("contexts").contexts == 0
    assert "alarms were shut down" in alarms.log
