"""The properties that clients give: each is kept, or the server's own, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from virtcim.cim.value_maps import (
    DestinationProtocol,
    OnFatalErrorPolicy,
    PersistenceType,
    RepeatNotificationPolicy,
    SubscriptionRemovalAction,
    SubscriptionState,
)
from virtcim.cimserver.errors import invalid_parameter
from virtcim.cimserver.indications.subscriptions.destinations import read_destination
from virtcim.cimserver.queries.reading import MOST_CHARACTERS

__all__ = ["DESTINATION", "FILTER", "SERVICE", "SUBSCRIPTION", "Properties", "Rule"]

_Check = Callable[[Any], Any]
# Far more than the clients use; the texts are kept in memory.
_MOST_TEXT = 4096
_MOST_NAMESPACES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A property that is kept: ``check`` gives its value, or raises ValueError that says why not.

    ``default`` stands for NULL.
    """

    check: _Check
    default: Any = None
    is_required: bool = False
    can_change: bool = True


class Properties:
    """The properties of a class of which clients create or change instances.

    ``own`` are those that the server sets, whatever a client sends: clients send back what they
    have read.
    """

    def __init__(self, rules: Mapping[str, Rule], own: Iterable[str] = ()) -> None:
        self._rules = MappingProxyType(dict(rules))
        self._own = frozenset(own)

    def created(self, class_name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The properties to keep of a new instance; ``given`` has declared names and no keys.

        Raises CimError that names the property.
        """
        for name, value in given.items():
            if name not in self._rules and name not in self._own and value not in (None, ""):
                raise invalid_parameter(f"{name} of {class_name} cannot be given")
        return {
            name: value
            for name, rule in self._rules.items()
            if (value := _read(name, rule, given.get(name))) is not None
        }

    def changed(
        self,
        class_name: str,
        before: Mapping[str, Any],
        given: Mapping[str, Any],
        names: Iterable[str],
    ) -> dict[str, Any]:
        """The properties to keep from now on, where those named ``names`` are to be as given.

        Raises CimError that names the property.
        """
        kept = dict(before)
        for name in names:
            rule, value = self._rules.get(name), given.get(name)
            if name in self._own:
                continue
            if rule is None:
                if value not in (None, ""):
                    raise invalid_parameter(f"{name} of {class_name} cannot be given")
                continue
            read = _read(name, rule, value)
            if not rule.can_change and read != before.get(name):
                raise invalid_parameter(f"{name} of {class_name} cannot be changed")
            kept[name] = read
        return {name: value for name, value in kept.items() if value is not None}


def _read(name: str, rule: Rule, value: Any) -> Any:
    if value is None:
        if rule.is_required:
            raise invalid_parameter(f"{name} is needed")
        return rule.default
    try:
        return rule.check(value)
    except ValueError as exc:
        raise invalid_parameter(f"{name}: {exc}") from exc


def _text(most: int = _MOST_TEXT) -> _Check:
    def check(value: str) -> str:
        if len(value) > most:
            raise ValueError(f"a text of at most {most} characters is expected")
        return value

    return check


def _one_of(*allowed: int, meaning: str) -> _Check:
    def check(value: int) -> int:
        if value not in allowed:
            raise ValueError(f"{value} is none of the values that are supported: {meaning}")
        return int(value)

    return check


def _between(least: int, most: int) -> _Check:
    def check(value: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"{value} is not between {least} and {most}")
        return value

    return check


def _only(expected: object, meaning: str) -> _Check:
    def check(value: object) -> object:
        if value != expected:
            raise ValueError(meaning)
        return value

    return check


def _namespaces(values: list[Any]) -> list[str]:
    if len(values) > _MOST_NAMESPACES:
        raise ValueError(f"there are at most {_MOST_NAMESPACES} of them")
    if any(value is None for value in values):
        raise ValueError("NULL is no namespace")
    return [str(value) for value in values]


def _destination(value: str) -> str:
    read_destination(value)
    return value


_DESCRIBED = {
    "ElementName": Rule(check=_text(256)),
    "Caption": Rule(check=_text(64)),
    "Description": Rule(check=_text()),
    "InstanceID": Rule(check=_text(256)),
}

FILTER = Properties(
    {
        **_DESCRIBED,
        "SourceNamespace": Rule(check=_text(256)),
        "SourceNamespaces": Rule(check=_namespaces),
        "Query": Rule(check=_text(MOST_CHARACTERS), is_required=True),
        "QueryLanguage": Rule(check=_text(64), is_required=True),
        "IndividualSubscriptionSupported": Rule(
            check=_only(True, "each filter that a client creates can be subscribed to"),
            default=True,
        ),
    },
    own=("Generation",),
)
DESTINATION = Properties(
    {
        **_DESCRIBED,
        "Destination": Rule(check=_destination, is_required=True),
        "PersistenceType": Rule(
            check=_one_of(
                PersistenceType.PERMANENT,
                PersistenceType.TRANSIENT,
                meaning="2 (Permanent) and 3 (Transient)",
            ),
            default=PersistenceType.PERMANENT,
        ),
        "Protocol": Rule(
            check=_one_of(DestinationProtocol.CIM_XML, meaning="2 (CIM-XML)"),
            default=DestinationProtocol.CIM_XML,
        ),
        "Owner": Rule(check=_text(256)),
    },
    own=("Generation",),
)
_NO_REPETITION = Rule(
    check=_only(0, "indications that tell the same again are sent like all others")
)
SUBSCRIPTION = Properties(
    {
        "OnFatalErrorPolicy": Rule(
            check=_one_of(*OnFatalErrorPolicy, meaning="2 (Ignore), 3 (Disable) and 4 (Remove)"),
            default=int(OnFatalErrorPolicy.IGNORE),
        ),
        "FailureTriggerTimeInterval": Rule(check=_between(0, 2**63)),
        "SubscriptionState": Rule(
            check=_one_of(
                SubscriptionState.ENABLED,
                SubscriptionState.DISABLED,
                meaning="2 (Enabled) and 4 (Disabled)",
            ),
            default=int(SubscriptionState.ENABLED),
        ),
        "SubscriptionDuration": Rule(check=_between(1, 2**40)),
        "SubscriptionInfo": Rule(check=_text()),
        "RepeatNotificationPolicy": Rule(
            check=_one_of(
                RepeatNotificationPolicy.UNKNOWN,
                RepeatNotificationPolicy.NONE,
                meaning="2 (None), which sends each indication",
            ),
            default=RepeatNotificationPolicy.NONE,
        ),
        "RepeatNotificationInterval": _NO_REPETITION,
        "RepeatNotificationGap": _NO_REPETITION,
        "RepeatNotificationCount": _NO_REPETITION,
        "AlertOnStateChange": Rule(
            check=_only(False, "there are no alerts about subscriptions"), default=False
        ),
    },
    own=(
        "SubscriptionStartTime",
        "SubscriptionTimeRemaining",
        "TimeOfLastStateChange",
        "LastIndicationIdentifier",
        "LastIndicationProductionDateTime",
    ),
)
SERVICE = Properties(
    {
        "FilterCreationEnabled": Rule(check=bool, default=True),
        "DeliveryRetryAttempts": Rule(check=_between(0, 2**16 - 1), default=1000),
        "DeliveryRetryInterval": Rule(check=_between(1, 2**31), default=5),
        "SubscriptionRemovalAction": Rule(
            check=_one_of(
                *SubscriptionRemovalAction, meaning="2 (Remove), 3 (Disable) and 4 (Ignore)"
            ),
            default=int(SubscriptionRemovalAction.REMOVE),
        ),
        "SubscriptionRemovalTimeInterval": Rule(check=_between(1, 2**31), default=2_592_000),
    },
    own=(
        *("EnabledState", "RequestedState", "EnabledDefault", "TransitioningToState", "Started"),
        *("ElementName", "Caption", "Description", "OperationalStatus", "StatusDescriptions"),
        "HealthState",
    ),
)
