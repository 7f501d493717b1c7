"""Which subscriptions an indication is for."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.cimserver.indications.subscribing import compiled_schema, created, modified
from virtcim.cim.value_maps import OnFatalErrorPolicy
from virtcim.cimserver.declarations import Declarations
from virtcim.cimserver.indications.subscriptions import (
    Destination,
    Subscription,
    SubscriptionIndex,
)
from virtcim.cimserver.queries import Query, compile_query
from virtcim.providers import Indication

_CLASSES = Declarations(compiled_schema())
_STATE_CHANGED = (
    "SELECT * FROM CIM_InstModification "
    "WHERE SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)
_TEXTS = (
    "SELECT * FROM CIM_Indication",
    "SELECT * FROM CIM_InstIndication WHERE SourceInstance ISA CIM_ComputerSystem",
    "SELECT * FROM CIM_InstModification",
    "SELECT * FROM VirtCIM_InstCreation WHERE SourceInstance.__Class = 'VirtCIM_ComputerSystem'",
    "SELECT * FROM CIM_InstCreation WHERE __CLASS = 'VirtCIM_InstCreation'",
    _STATE_CHANGED,
    "SELECT * FROM CIM_AlertIndication",
    "SELECT * FROM CIM_InstCreation WHERE SourceInstance ISA CIM_ConcreteJob",
)
_QUERIES = [compile_query("DMTF:CQL", text, _CLASSES) for text in _TEXTS]
_NAMESPACES = ("root/virt", "root/virt/lab")


def _subscription(
    number: int,
    query: Query,
    namespaces: Sequence[str] = (),
    *,
    ends: float | None = None,
    principal: str = "ann",
) -> Subscription:
    return Subscription(
        id=f"s{number}",
        namespace="root/interop",
        filter_name=f"f{number}",
        class_name=query.class_name,
        query=query,
        source_namespaces=frozenset(namespaces),
        destination=Destination(id=f"d{number}", url="http://h/", is_transient=False),
        on_fatal_error_policy=OnFatalErrorPolicy.IGNORE,
        failure_trigger_s=0,
        repeat_notification_policy=2,
        ends=ends,
        principal=principal,
    )


_INDICATIONS = [
    make(namespace=namespace)
    for namespace in _NAMESPACES
    for make in (
        created,
        lambda namespace: modified(2, 3, namespace),
        lambda namespace: modified(2, 2, namespace),
    )
]


@given(
    st.lists(
        st.builds(
            _subscription,
            st.integers(0, 99),
            st.sampled_from(_QUERIES),
            st.sets(st.sampled_from(_NAMESPACES)),
            ends=st.sampled_from([None, 50.0, 150.0]),
            principal=st.sampled_from(["ann", "bob"]),
        ),
        unique_by=lambda one: one.id,
        max_size=12,
    ),
    st.sampled_from(_INDICATIONS),
)
def test_a_subscription_is_told_exactly_of_what_it_selects(
    subscriptions: list[Subscription], indication: Indication
) -> None:
    index = SubscriptionIndex(
        subscriptions,
        _CLASSES,
        may_see=lambda user, namespace: user == "ann" or namespace == "root/virt",
        clock=lambda: 100.0,
    )
    expected = {
        one.id
        for one in subscriptions
        if _CLASSES.is_a(indication.record.class_name, one.query.class_name)
        and one.query.selects(indication.record)
        and (not one.source_namespaces or indication.namespace in one.source_namespaces)
        and (one.ends is None or one.ends > 100.0)
        and (one.principal == "ann" or indication.namespace == "root/virt")
    }
    found = index.matching(indication)
    assert {one.id for one in found} == expected
    assert len(found) == len(expected)
    if found:
        assert indication.record.class_name in index.wanted(indication.namespace)


def test_only_what_somebody_subscribes_to_is_wanted() -> None:
    index = SubscriptionIndex([_subscription(1, _QUERIES[2], ["root/virt"])], _CLASSES)
    assert index.wanted("root/virt") == {"VirtCIM_InstModification"}
    assert index.wanted("root/virt/lab") == frozenset()
    everything = SubscriptionIndex([_subscription(1, _QUERIES[0])], _CLASSES)
    assert "VirtCIM_AlertIndication" in everything.wanted("root/virt/lab")
    assert SubscriptionIndex([], _CLASSES).wanted("root/virt") == frozenset()


def test_a_question_that_many_ask_is_asked_once() -> None:
    asked: list[object] = []

    def where(record: object) -> bool:
        asked.append(record)
        return True

    query = Query(class_name="CIM_InstCreation", properties=None, where=where)
    index = SubscriptionIndex([_subscription(number, query) for number in range(50)], _CLASSES)
    assert len(index.matching(created())) == 50
    assert len(asked) == 1
