"""The associations around the indication service, which are a CIM server's own (DSP1054)."""

from __future__ import annotations

from virtcim.cim.value_maps import ServiceEffect
from virtcim.providers.engine.association_engine import Association, End
from virtcim.providers.engine.instance_class import AnyClass, AnyNode
from virtcim.providers.engine.reach import Reach, reach_from
from virtcim.providers.engine.view import View
from virtcim.providers.interop import indications
from virtcim.providers.interop.indications import (
    COLLECTION,
    DESTINATIONS,
    FILTER,
    INDICATION_CAPABILITIES,
    INDICATION_SERVICE,
)
from virtcim.providers.interop.object_manager import OBJECT_MANAGER, SERVER_SYSTEM

__all__ = ["INDICATION_ASSOCIATIONS"]


def _to_all(start: AnyClass, *classes: AnyClass) -> Reach:
    """From an instance to every one of other classes: there is but one service."""

    def reached(view: View, _: AnyNode) -> list[AnyNode]:
        return [node for each in classes for node in each.all(view)]

    return reach_from(start, reached)


def _to_service(*classes: AnyClass) -> Reach:
    return reach_from(classes, lambda view, _: INDICATION_SERVICE.all(view))


def _subscription(name: str, source: Reach) -> Association:
    return Association(
        name=name,
        ends=(
            End(role="Filter", reach=source),
            End(role="Handler", reach=reach_from(DESTINATIONS, indications.sources(name))),
        ),
        values=indications.subscription_values,
        pairs=indications.subscribed(name),
    )


_OF_FILTER, _OF_COLLECTION = "CIM_IndicationSubscription", "CIM_FilterCollectionSubscription"

INDICATION_ASSOCIATIONS = (
    _subscription(_OF_FILTER, reach_from(FILTER, indications.handlers(_OF_FILTER))),
    _subscription(_OF_COLLECTION, reach_from(COLLECTION, indications.handlers(_OF_COLLECTION))),
    Association(
        name="CIM_HostedService",
        ends=(
            End(
                role="Antecedent",
                reach=_to_all(SERVER_SYSTEM, OBJECT_MANAGER, INDICATION_SERVICE),
            ),
            End(
                role="Dependent",
                reach=_to_all(OBJECT_MANAGER, SERVER_SYSTEM)
                | _to_all(INDICATION_SERVICE, SERVER_SYSTEM),
            ),
        ),
    ),
    Association(
        name="CIM_ElementCapabilities",
        ends=(
            End(role="ManagedElement", reach=_to_all(INDICATION_SERVICE, INDICATION_CAPABILITIES)),
            End(role="Capabilities", reach=_to_service(INDICATION_CAPABILITIES)),
        ),
    ),
    Association(
        name="CIM_ServiceAffectsElement",
        ends=(
            End(
                role="AffectingElement",
                reach=reach_from(INDICATION_SERVICE, indications.affected_by_service),
            ),
            End(role="AffectedElement", reach=_to_service(FILTER, *DESTINATIONS, COLLECTION)),
        ),
        values=lambda _first, _second: {"ElementEffects": [ServiceEffect.MANAGES]},
    ),
    Association(
        name="CIM_OwningCollectionElement",
        ends=(
            End(role="OwningElement", reach=_to_all(INDICATION_SERVICE, COLLECTION)),
            End(role="OwnedElement", reach=_to_service(COLLECTION)),
        ),
    ),
    Association(
        name="CIM_MemberOfCollection",
        ends=(
            End(role="Collection", reach=reach_from(COLLECTION, indications.filters_of_collection)),
            End(role="Member", reach=reach_from(FILTER, indications.collections_of_filter)),
        ),
    ),
)
