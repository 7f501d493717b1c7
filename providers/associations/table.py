"""The table of associations."""

from __future__ import annotations

from virtcim.cim.value_maps import IsCurrent, IsDefault, IsNext, ServiceEffect
from virtcim.providers.associations import ends, job_ends, service_ends
from virtcim.providers.engine.association_engine import Association, End
from virtcim.providers.engine.reach import reach_from, same
from virtcim.providers.host.devices import DISK_IMAGE
from virtcim.providers.host.host_system import HOST_SYSTEM
from virtcim.providers.host.power_management import POWER_SERVICE, power_state
from virtcim.providers.interop.object_manager import (
    INTEROP,
    NAMESPACE,
    OBJECT_MANAGER,
    namespaces_of_manager,
    object_manager_of,
)
from virtcim.providers.interop.profiles import (
    CONFORMING_CLASSES,
    REGISTERED_PROFILE,
    conforming_instances,
    profiles_of,
    referenced_profiles,
    referring_profiles,
)
from virtcim.providers.jobs.concrete_job import CONCRETE_JOB
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resources.allocation_capabilities import (
    ALLOCATION_CAPABILITIES,
    CAPABILITY_SETTINGS,
    capabilities_of_setting,
    capability_role,
    settings_of_capabilities,
)
from virtcim.providers.resources.disk.devices import (
    CD_DRIVE_DEVICE,
    FLOPPY_DRIVE_DEVICE,
    LOGICAL_DISK,
)
from virtcim.providers.resources.registry import ALLOCATIONS
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = ["ASSOCIATIONS"]

_SERVICES = (MANAGEMENT_SERVICE, POOL_CONFIGURATION_SERVICE, POWER_SERVICE)

ASSOCIATIONS = (
    Association(
        name="VirtCIM_HostedDependency",
        ends=(
            End(role="Antecedent", reach=reach_from(HOST_SYSTEM, ends.systems_of_host)),
            End(role="Dependent", reach=reach_from(COMPUTER_SYSTEM, ends.hosts_of_system)),
        ),
    ),
    Association(
        name="VirtCIM_SystemDevice",
        ends=(
            End(role="GroupComponent", reach=ends.DEVICES_OF_SYSTEMS),
            End(role="PartComponent", reach=ends.SYSTEMS_OF_DEVICES),
        ),
    ),
    Association(
        name="VirtCIM_SettingsDefineState",
        ends=(
            End(
                role="ManagedElement",
                reach=reach_from(COMPUTER_SYSTEM, same(SYSTEM_SETTINGS))
                | ends.ALLOCATIONS_OF_DEVICES,
            ),
            End(
                role="SettingData",
                reach=reach_from(SYSTEM_SETTINGS, same(COMPUTER_SYSTEM))
                | ends.DEVICES_OF_ALLOCATIONS,
            ),
        ),
    ),
    # One configuration is all that a system has: it applies now, and at the next start.
    Association(
        name="VirtCIM_ElementSettingData",
        ends=(
            End(
                role="ManagedElement",
                reach=reach_from((COMPUTER_SYSTEM, SYSTEM_SETTINGS), same(SYSTEM_SETTINGS)),
            ),
            End(role="SettingData", reach=reach_from(SYSTEM_SETTINGS, ends.elements_of_settings)),
        ),
        values=lambda _first, _second: {
            "IsDefault": IsDefault.IS_DEFAULT,
            "IsCurrent": IsCurrent.IS_CURRENT,
            "IsNext": IsNext.IS_NEXT,
        },
    ),
    Association(
        name="VirtCIM_VirtualSystemSettingDataComponent",
        ends=(
            End(
                role="GroupComponent",
                reach=reach_from(SYSTEM_SETTINGS, ends.allocations_of_settings),
            ),
            End(role="PartComponent", reach=reach_from(ALLOCATIONS, ends.settings_of_allocation)),
        ),
    ),
    Association(
        name="VirtCIM_HostedResourcePool",
        ends=(
            End(role="GroupComponent", reach=reach_from(HOST_SYSTEM, ends.pools_of_host)),
            End(role="PartComponent", reach=ends.HOSTS_OF_POOLS),
        ),
    ),
    Association(
        name="VirtCIM_ConcreteComponent",
        ends=(
            End(role="GroupComponent", reach=ends.PARTS_OF_POOLS),
            End(role="PartComponent", reach=ends.POOLS_OF_PARTS),
        ),
    ),
    Association(
        name="VirtCIM_ResourceAllocationFromPool",
        ends=(
            End(role="Antecedent", reach=ends.ALLOCATIONS_OF_POOLS),
            End(role="Dependent", reach=ends.POOLS_OF_ALLOCATIONS),
        ),
    ),
    Association(
        name="VirtCIM_ElementAllocatedFromPool",
        ends=(
            End(
                role="Antecedent",
                reach=ends.ALLOCATIONS_OF_POOLS.then(ends.DEVICES_OF_ALLOCATIONS)
                | ends.CHILD_POOLS,
            ),
            End(
                role="Dependent",
                reach=ends.ALLOCATIONS_OF_DEVICES.then(ends.POOLS_OF_ALLOCATIONS)
                | ends.PARENT_POOLS,
            ),
        ),
    ),
    Association(
        name="VirtCIM_BasedOn",
        ends=(
            End(role="Antecedent", reach=reach_from(DISK_IMAGE, ends.disks_with_image)),
            End(role="Dependent", reach=reach_from(LOGICAL_DISK, ends.image_in_disk)),
        ),
        # Disks come in the order in which systems are: what belongs to one lies together in memory.
        listed_from=1,
    ),
    Association(
        name="VirtCIM_MediaPresent",
        ends=(
            End(role="Dependent", reach=reach_from(DISK_IMAGE, ends.drives_with_image)),
            End(
                role="Antecedent",
                reach=reach_from((CD_DRIVE_DEVICE, FLOPPY_DRIVE_DEVICE), ends.image_in_disk),
            ),
        ),
        values=lambda _first, _second: {"FixedMedia": False},
    ),
    Association(
        name="VirtCIM_ElementCapabilities",
        ends=(
            End(role="ManagedElement", reach=service_ends.CAPABILITIES),
            End(role="Capabilities", reach=service_ends.CAPABLE_ELEMENTS),
        ),
    ),
    Association(
        name="VirtCIM_SettingsDefineCapabilities",
        ends=(
            End(
                role="GroupComponent",
                reach=reach_from(ALLOCATION_CAPABILITIES, settings_of_capabilities),
            ),
            End(
                role="PartComponent",
                reach=reach_from(CAPABILITY_SETTINGS, capabilities_of_setting),
            ),
        ),
        values=capability_role,
    ),
    Association(
        name="VirtCIM_HostedService",
        ends=(
            End(role="Antecedent", reach=reach_from(HOST_SYSTEM, service_ends.services_of_host)),
            End(role="Dependent", reach=reach_from(_SERVICES, same(HOST_SYSTEM))),
        ),
    ),
    Association(
        name="VirtCIM_ServiceAffectsElement",
        ends=(
            End(role="AffectingElement", reach=service_ends.AFFECTED_ELEMENTS),
            End(role="AffectedElement", reach=service_ends.AFFECTING_SERVICES),
        ),
        values=lambda _first, _second: {"ElementEffects": [ServiceEffect.MANAGES]},
    ),
    Association(
        name="VirtCIM_AssociatedPowerManagementService",
        ends=(
            End(
                role="ServiceProvided",
                reach=reach_from(POWER_SERVICE, same(HOST_SYSTEM)),
            ),
            End(role="UserOfService", reach=reach_from(HOST_SYSTEM, same(POWER_SERVICE))),
        ),
        values=power_state,
    ),
    # From the jobs, as there are fewer of them than of what they may affect.
    Association(
        name="VirtCIM_AffectedJobElement",
        ends=(
            End(
                role="AffectingElement",
                reach=reach_from(CONCRETE_JOB, job_ends.affected_elements),
            ),
            End(
                role="AffectedElement",
                reach=reach_from(job_ends.AFFECTED_CLASSES, job_ends.affecting_jobs),
            ),
        ),
        values=job_ends.effect,
    ),
    Association(
        name="VirtCIM_OwningJobElement",
        ends=(
            End(role="OwnedElement", reach=reach_from(CONCRETE_JOB, job_ends.owning_element)),
            End(
                role="OwningElement",
                reach=reach_from(job_ends.OWNING_CLASSES, job_ends.owned_jobs),
            ),
        ),
    ),
    Association(
        name="VirtCIM_ElementConformsToProfile",
        ends=(
            End(
                role="ConformantStandard",
                reach=reach_from(REGISTERED_PROFILE, conforming_instances),
                namespace=INTEROP,
            ),
            End(role="ManagedElement", reach=reach_from(CONFORMING_CLASSES, profiles_of)),
        ),
    ),
    Association(
        name="VirtCIM_ReferencedProfile",
        ends=(
            End(role="Dependent", reach=reach_from(REGISTERED_PROFILE, referenced_profiles)),
            End(role="Antecedent", reach=reach_from(REGISTERED_PROFILE, referring_profiles)),
        ),
    ),
    Association(
        name="VirtCIM_NamespaceInManager",
        ends=(
            End(role="Antecedent", reach=reach_from(OBJECT_MANAGER, namespaces_of_manager)),
            End(role="Dependent", reach=reach_from(NAMESPACE, object_manager_of)),
        ),
    ),
)
