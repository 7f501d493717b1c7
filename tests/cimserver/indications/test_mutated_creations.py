"""Creations and changes that are wrong in places that nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cimserver.indications.subscribing import Subscribing, subscribing
from tests.cimserver.mutations import Mutations, check_reason
from tests.cimserver.serving import intrinsic
from virtcim.cimserver import Limits


def _keys(class_name: str) -> str:
    values = {
        "SystemCreationClassName": "CIM_ComputerSystem",
        "SystemName": "virtcim",
        "CreationClassName": class_name,
        "Name": "x",
    }
    return "".join(
        f'<KEYBINDING NAME="{name}"><KEYVALUE VALUETYPE="string">{value}</KEYVALUE></KEYBINDING>'
        for name, value in values.items()
    )


def _property(name: str, value: str, type_name: str = "string") -> str:
    return f'<PROPERTY NAME="{name}" TYPE="{type_name}"><VALUE>{value}</VALUE></PROPERTY>'


_FILTER, _HANDLER = "CIM_IndicationFilter", "CIM_ListenerDestinationCIMXML"
_SUBSCRIPTION = "CIM_IndicationSubscription"
_ENDS = {
    role: f'<INSTANCENAME CLASSNAME="{name}">{_keys(name)}</INSTANCENAME>'
    for role, name in (("Filter", _FILTER), ("Handler", _HANDLER))
}
_NAMES = "<VALUE.ARRAY><VALUE>Query</VALUE><VALUE>SubscriptionState</VALUE></VALUE.ARRAY>"
_FILTER_VALUES = (
    _property("Name", "x")
    + _property("Query", "SELECT * FROM CIM_InstCreation")
    + _property("QueryLanguage", "WQL")
    + '<PROPERTY.ARRAY NAME="SourceNamespaces" TYPE="string"><VALUE.ARRAY>'
    "<VALUE>root/virt</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"
)
_PATH = (
    f'<INSTANCENAME CLASSNAME="{_SUBSCRIPTION}">'
    + "".join(
        f'<KEYBINDING NAME="{role}"><VALUE.REFERENCE>{end}</VALUE.REFERENCE></KEYBINDING>'
        for role, end in _ENDS.items()
    )
    + "</INSTANCENAME>"
)
_CHANGES = (
    f'<INSTANCE CLASSNAME="{_SUBSCRIPTION}">'
    + _property("SubscriptionState", "4", "uint16")
    + _property("SubscriptionDuration", "60", "uint64")
    + "</INSTANCE>"
)
_REQUESTS = Mutations(
    (
        intrinsic(
            "CreateInstance",
            NewInstance=f'<INSTANCE CLASSNAME="{_FILTER}">{_FILTER_VALUES}</INSTANCE>',
        ),
        intrinsic(
            "CreateInstance",
            NewInstance=(
                f'<INSTANCE CLASSNAME="{_HANDLER}">{_property("Name", "x")}'
                f"{_property('Destination', 'http://h')}</INSTANCE>"
            ),
        ),
        intrinsic(
            "CreateInstance",
            NewInstance=f'<INSTANCE CLASSNAME="{_SUBSCRIPTION}">'
            + "".join(
                f'<PROPERTY.REFERENCE NAME="{role}"><VALUE.REFERENCE>{end}</VALUE.REFERENCE>'
                "</PROPERTY.REFERENCE>"
                for role, end in _ENDS.items()
            )
            + "</INSTANCE>",
        ),
        intrinsic(
            "ModifyInstance",
            ModifiedInstance=f"<VALUE.NAMEDINSTANCE>{_PATH}{_CHANGES}</VALUE.NAMEDINSTANCE>",
            PropertyList=_NAMES,
        ),
        intrinsic(
            "SetProperty",
            InstanceName=_ENDS["Filter"],
            PropertyName="<VALUE>Query</VALUE>",
            NewValue="<VALUE>SELECT * FROM CIM_Indication</VALUE>",
        ),
        intrinsic("DeleteInstance", InstanceName=_PATH),
        intrinsic("DeleteInstance", InstanceName=_ENDS["Filter"]),
    )
)


@pytest.fixture(scope="module")
def accepting() -> Iterator[Subscribing]:
    limits = Limits(indication_filters=5, listener_destinations=5, subscriptions=5)
    with subscribing(limits=limits) as running:
        yield running


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_every_mutated_creation_is_answered_with_a_reason_of_its_own(
    accepting: Subscribing, data: st.DataObject
) -> None:
    body = _REQUESTS.request(data)
    check_reason(accepting.server.post(body), body)
