"""What cannot be created or changed is refused by its property, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import pywbem

from tests.cimserver.indications.subscribing import (
    DESTINATION,
    FILTER,
    INTEROP,
    QUERY,
    SUBSCRIPTION,
    Subscribing,
    refusal,
)
from tests.cimserver.serving import intrinsic
from virtcim.cim.records import StatusCode

_U16, _U64 = pywbem.Uint16, pywbem.Uint64
_WRONG = StatusCode.INVALID_PARAMETER
_FILTER = '<INSTANCE CLASSNAME="CIM_IndicationFilter">'
_NAME = '<PROPERTY NAME="Name" TYPE="string">'


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Query": None}, "Query is needed"),
        ({"QueryLanguage": None}, "QueryLanguage is needed"),
        ({"QueryLanguage": "SQL"}, "QueryLanguage: 'SQL' is not supported; DMTF:CQL and WQL are"),
        ({"Query": "SELECT * FROM CIM_Nothing"}, "Query: character 15: there is no class"),
        ({"Query": "SELECT * FORM CIM_Indication"}, "Query: character 10: 'FORM' stands where"),
        ({"Query": ""}, "Query: character 1: the query ends"),
        (
            {"Query": "SELECT * FROM CIM_InstCreation WHERE Colour = 5"},
            "Query: character 38: CIM_InstCreation has no property Colour",
        ),
        (
            {"Query": "SELECT * FROM CIM_InstCreation WHERE SourceInstance ISA CIM_Nothing"},
            "Query: character 57: there is no class CIM_Nothing",
        ),
        (
            {"Query": "SELECT * FROM CIM_ComputerSystem"},
            "Query: CIM_ComputerSystem is no class of indications; SourceInstance ISA",
        ),
        ({"Query": "SELECT " + " " * 9000}, "Query: a text of at most 8192 characters"),
        ({"SourceNamespaces": ["root/virt", "root/x"]}, "SourceNamespaces: there is no namespace"),
        ({"SourceNamespaces": ["root/virt"] * 300}, "SourceNamespaces: there are at most 256"),
        ({"SourceNamespace": "root/x"}, "SourceNamespace: there is no namespace 'root/x'"),
        ({"IndividualSubscriptionSupported": False}, "IndividualSubscriptionSupported: each"),
        ({"TemplateVariable": ["a"]}, "TemplateVariable of CIM_IndicationFilter cannot be given"),
        ({"CreationClassName": "CIM_Other"}, "CreationClassName is CIM_IndicationFilter, not"),
        ({"Name": "n" * 2000}, "Name has more than 1024 characters"),
        ({"Caption": "c" * 65}, "Caption: a text of at most 64 characters"),
        ({"Caption": 5}, None),
    ],
)
def test_a_filter_that_could_select_nothing_is_refused(
    subscriber: Subscribing, values: dict[str, Any], said: str | None
) -> None:
    before = subscriber.names(FILTER)
    given = _typed(values)
    if said is None:
        # A number is a text, too, where a text is declared.
        assert subscriber.connection.GetInstance(subscriber.filter(**given))["Caption"] == "5"
        return
    code, text = refusal(subscriber.filter, **given)
    assert (code, text.partition(": ")[2][: len(said)]) == (_WRONG, said)
    assert subscriber.names(FILTER) == before


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: pywbem.CIMProperty(name, None, type="string")
        if value is None
        else _U16(value)
        if isinstance(value, int) and not isinstance(value, bool)
        else value
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Destination": None}, "Destination is needed"),
        ({"Destination": "ftp://h/"}, "Destination: the scheme is http or https, not ftp"),
        ({"Destination": "http://h:0"}, "Destination: the port is 1 to 65535"),
        ({"Destination": "http:///x"}, "Destination: the URL names no host that could be"),
        ({"Destination": "http://a b/"}, "Destination: a URL has neither blanks nor"),
        ({"PersistenceType": 1}, "PersistenceType: 1 is none of the values that are supported"),
        ({"Protocol": 4}, "Protocol: 4 is none of the values that are supported: 2 (CIM-XML)"),
        ({"username": "me"}, "username of CIM_ListenerDestinationCIMXML cannot be given"),
        ({"password": "x"}, "password of CIM_ListenerDestinationCIMXML cannot be given"),
        ({"OtherProtocol": "x"}, "OtherProtocol of CIM_ListenerDestinationCIMXML cannot be"),
    ],
)
def test_a_destination_that_could_not_be_reached_is_refused(
    subscriber: Subscribing, values: dict[str, Any], said: str
) -> None:
    code, text = refusal(subscriber.destination, **_typed(values))
    assert (code, text.partition(": ")[2][: len(said)]) == (_WRONG, said)
    assert subscriber.names(DESTINATION) == []


def test_a_password_in_a_destination_is_refused_and_never_written_down(
    subscriber: Subscribing, caplog: pytest.LogCaptureFixture
) -> None:
    for url in ("https://me:s3cret@h:5989/", "me:s3cret@h", "http://me:s3cret@h:x/", "//s3cret@h"):
        code, text = refusal(subscriber.destination, Destination=url)
        assert (code, "s3cret" in text) == (_WRONG, False)
    code, text = refusal(subscriber.destination, password="s3cret")
    assert (code, "s3cret" in text) == (_WRONG, False)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"OnFatalErrorPolicy": _U16(1)}, "OnFatalErrorPolicy: 1 is none of the values"),
        ({"SubscriptionState": _U16(3)}, "SubscriptionState: 3 is none of the values"),
        ({"RepeatNotificationPolicy": _U16(3)}, "RepeatNotificationPolicy: 3 is none of"),
        ({"RepeatNotificationCount": _U16(3)}, "RepeatNotificationCount: indications that tell"),
        ({"SubscriptionDuration": _U64(0)}, "SubscriptionDuration: 0 is not between 1 and"),
        ({"AlertOnStateChange": True}, "AlertOnStateChange: there are no alerts"),
        ({"OtherOnFatalErrorPolicy": "x"}, "OtherOnFatalErrorPolicy of CIM_IndicationSub"),
    ],
)
def test_a_subscription_that_promises_what_is_not_kept_is_refused(
    subscriber: Subscribing, values: dict[str, Any], said: str
) -> None:
    code, text = refusal(subscriber.subscribe, **values)
    assert (code, text.partition(": ")[2][: len(said)]) == (_WRONG, said)
    assert subscriber.names(SUBSCRIPTION) == []


def test_a_subscription_is_between_a_filter_and_a_destination(subscriber: Subscribing) -> None:
    filtered, handler = subscriber.filter(), subscriber.destination()
    [collection] = subscriber.names("CIM_FilterCollection")
    for ends, said in (
        ({"Filter": filtered}, "Handler is needed"),
        ({"Handler": handler}, "Filter is needed"),
        ({"Filter": handler, "Handler": filtered}, "Filter of CIM_IndicationSubscription is a"),
        ({"Filter": filtered, "Handler": filtered}, "Handler is a listener destination"),
        ({"Filter": collection, "Handler": handler}, "Filter of CIM_IndicationSubscription is"),
    ):
        code, text = refusal(subscriber.create, SUBSCRIPTION, **ends)
        assert (code, text.partition(": ")[2][: len(said)]) == (_WRONG, said)
    code, _ = refusal(
        subscriber.create, "CIM_FilterCollectionSubscription", Filter=filtered, Handler=handler
    )
    assert code == _WRONG


def test_a_change_that_is_refused_changes_nothing(subscriber: Subscribing) -> None:
    path = subscriber.subscribe()
    connection = subscriber.connection
    before = {end: connection.GetInstance(end) for end in (path, path["Filter"], path["Handler"])}
    for end, values, code in (
        (path["Filter"], {"Query": "SELECT nothing"}, _WRONG),
        (path["Filter"], {"Query": None}, _WRONG),
        (path["Filter"], {"Name": "other"}, _WRONG),
        (path["Handler"], {"Destination": "nowhere:x"}, _WRONG),
        (path, {"SubscriptionState": _U16(9)}, _WRONG),
        (path, {"Filter": subscriber.filter("other")}, _WRONG),
        (path, {"Colour": "red"}, StatusCode.NO_SUCH_PROPERTY),
    ):
        assert refusal(subscriber.modify, end, **_typed(values))[0] == code, values
    code, said = refusal(subscriber.modify, path, only=["Colour"])
    assert (code, "'colour'" in said) == (StatusCode.NO_SUCH_PROPERTY, True)
    assert {end: connection.GetInstance(end) for end in before} == before


def test_an_instance_is_changed_as_one_of_its_class(subscriber: Subscribing) -> None:
    path = subscriber.filter()
    other = pywbem.CIMInstance(DESTINATION, {"Destination": "http://h"}, path=path)
    name = intrinsic(
        "ModifyInstance",
        ModifiedInstance=(
            f"<VALUE.NAMEDINSTANCE>{path.tocimxmlstr(ignore_host=True, ignore_namespace=True)}"
            f"{other.tocimxmlstr(ignore_path=True)}</VALUE.NAMEDINSTANCE>"
        ),
    )
    answer = subscriber.server.ask(name)
    assert answer.status == _WRONG
    assert "is of CIM_ListenerDestinationCIMXML and named as" in answer.description


@pytest.mark.parametrize(
    "given",
    [
        "<VALUE>text</VALUE>",
        "<CLASSNAME NAME='CIM_IndicationFilter'/>",
        f"{_FILTER}<VALUE>x</VALUE></INSTANCE>",
        f"{_FILTER}{_NAME}<VALUE>a</VALUE><VALUE>b</VALUE></PROPERTY></INSTANCE>",
        f"{_FILTER}{_NAME}</PROPERTY>{_NAME}</PROPERTY></INSTANCE>",
    ],
)
def test_what_is_no_instance_is_refused(subscriber: Subscribing, given: str) -> None:
    assert subscriber.server.ask(intrinsic("CreateInstance", NewInstance=given)).status == _WRONG


def test_classes_and_properties_that_are_not_known_are_refused(subscriber: Subscribing) -> None:
    unknown = '<INSTANCE CLASSNAME="CIM_Nothing"></INSTANCE>'
    answer = subscriber.server.ask(intrinsic("CreateInstance", NewInstance=unknown))
    assert answer.status == StatusCode.INVALID_CLASS
    code, said = refusal(subscriber.filter, Colour="red")
    assert (code, "no property 'Colour'" in said) == (StatusCode.NO_SUCH_PROPERTY, True)
    code, _ = refusal(subscriber.create, FILTER, namespace="root/x", Query=QUERY)
    assert code == StatusCode.INVALID_NAMESPACE
    assert subscriber.filter().namespace == INTEROP
