"""The DMTF profiles that this model follows, and which instances each begins at (DSP1033)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from virtcim.cim.records import Value
from virtcim.cim.value_maps import AdvertiseType, RegisteredOrganization, SpecificationType
from virtcim.providers.engine.instance_class import AnyClass, AnyNode, InstanceClass, Node
from virtcim.providers.engine.view import View
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.interop.indications import INDICATION_SERVICE
from virtcim.providers.interop.object_manager import INTEROP
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB
from virtcim.providers.resources.allocation_capabilities import ALLOCATION_CAPABILITIES
from virtcim.providers.resources.registry import KINDS, POOLS
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM

__all__ = [
    "CONFORMING_CLASSES",
    "REGISTERED_PROFILE",
    "conforming_instances",
    "profiles_of",
    "referenced_profiles",
    "referring_profiles",
]


@dataclass(frozen=True, slots=True)
class _Profile:
    """A profile: its number, name and version, and the classes of its central instances."""

    number: int
    name: str
    version: str
    central: tuple[AnyClass, ...] = ()

    @property
    def identity(self) -> str:
        return f"VirtCIM:DSP{self.number}-{self.name.replace(' ', '')}-{self.version}"


_SYSTEM_VIRTUALIZATION = _Profile(1042, "System Virtualization", "1.0.0", (HOST_SYSTEM,))
_VIRTUAL_SYSTEM = _Profile(1057, "Virtual System", "1.0.0", (COMPUTER_SYSTEM,))
_REGISTRATION = _Profile(1033, "Profile Registration", "1.0.0")
_ALLOCATION = (
    _Profile(1041, "Resource Allocation", "1.1.0", POOLS),
    _Profile(1043, "Allocation Capabilities", "1.0.0", (ALLOCATION_CAPABILITIES,)),
    *(
        _Profile(*kind.profile, tuple(offer.pool for offer in kind.pools.offers))
        for kind in KINDS
        if kind.profile is not None and kind.pools is not None
    ),
)
_JOB_CONTROL = _Profile(1103, "Job Control", "1.0.0", (CONCRETE_JOB,))
# Of a host that has the service; other CIM servers register it themselves.
_INDICATIONS = _Profile(1054, "Indications", "1.2.2", (INDICATION_SERVICE,))
_PROFILES = (
    *(_SYSTEM_VIRTUALIZATION, _VIRTUAL_SYSTEM, *_ALLOCATION, _JOB_CONTROL, _REGISTRATION),
    _INDICATIONS,
)
_BY_IDENTITY = {each.identity.lower(): each for each in _PROFILES}
# A profile, and those that it refers to.
_REFERENCES: Mapping[int, tuple[_Profile, ...]] = {
    1042: (_VIRTUAL_SYSTEM, *_ALLOCATION, _JOB_CONTROL, _REGISTRATION),
    1057: (*_ALLOCATION, _REGISTRATION),
    1054: (_REGISTRATION,),
}


class OfProfile(NamedTuple):
    """A registered profile."""

    profile: _Profile


def _is_followed(view: View, profile: _Profile) -> bool:
    return profile is not _INDICATIONS or view.repository is not None


def _followed(view: View) -> Iterator[_Profile]:
    return (profile for profile in _PROFILES if _is_followed(view, profile))


def _find(view: View, identity: str) -> OfProfile | None:
    profile = _BY_IDENTITY.get(identity.lower())
    return OfProfile(profile) if profile and _is_followed(view, profile) else None


def _values(of: OfProfile) -> Mapping[str, Value]:
    profile = of.profile
    return {
        "ElementName": f"DSP{profile.number} {profile.name}",
        "Caption": "Registered profile",
        "SpecificationType": SpecificationType.PROFILE,
        "RegisteredOrganization": RegisteredOrganization.DMTF,
        "RegisteredName": profile.name,
        "RegisteredVersion": profile.version,
        "AdvertiseTypes": [AdvertiseType.NOT_ADVERTISED],
    }


REGISTERED_PROFILE = InstanceClass(
    name="VirtCIM_RegisteredProfile",
    identity=lambda of: of.profile.identity,
    found=_find,
    every=lambda view: map(OfProfile, _followed(view)),
    values=_values,
)
CONFORMING_CLASSES = tuple(dict.fromkeys(each for one in _PROFILES for each in one.central))


def conforming_instances(view: View, node: Node[OfProfile]) -> Iterator[AnyNode]:
    """The central instances of a profile, here and in every namespace that the view tells of."""
    for instance_class in node.sources.profile.central:
        # The service is beside the profiles, everything else where hypervisors are shown.
        peers = (view,) if instance_class is INDICATION_SERVICE else view.implementations()
        for peer in peers:
            for found in instance_class.all(peer):
                yield found.at(peer.namespace)


def profiles_of(_: View, node: AnyNode) -> Iterator[Node[OfProfile]]:
    """The profiles that an instance is central to."""
    found = (profile for profile in _PROFILES if node.instance_class in profile.central)
    return (REGISTERED_PROFILE.node(OfProfile(profile)).at(INTEROP) for profile in found)


def referenced_profiles(_: View, node: Node[OfProfile]) -> Iterator[Node[OfProfile]]:
    """The profiles that a profile refers to."""
    found = _REFERENCES.get(node.sources.profile.number, ())
    return (REGISTERED_PROFILE.node(OfProfile(profile)) for profile in found)


def referring_profiles(view: View, node: Node[OfProfile]) -> Iterator[Node[OfProfile]]:
    """The profiles that refer to a profile."""
    return (
        REGISTERED_PROFILE.node(OfProfile(profile))
        for profile in _followed(view)
        if node.sources.profile in _REFERENCES.get(profile.number, ())
    )
