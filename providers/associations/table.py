"""The table of associations."""

from __future__ import annotations

from virtcim.providers.associations import ends, job_ends, service_ends
from virtcim.providers.engine.association_engine import Association, End
from virtcim.providers.host.devices import DISK_IMAGE, HOST_DEVICES
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
from virtcim.providers.resource_pool.allocation_capabilities import (
    ALLOCATION_CAPABILITIES,
    CAPABILITY_SETTINGS,
    DESCRIBED_POOLS,
    capabilities_of_setting,
    capability_role,
    settings_of_capabilities,
)
from virtcim.providers.resource_pool.pools import NETWORK_POOL, POOLS, STORAGE_POOL
from virtcim.providers.resource_pool_configuration.capabilities import (
    POOL_CONFIGURATION_CAPABILITIES,
)
from virtcim.providers.resource_pool_configuration.service import POOL_CONFIGURATION_SERVICE
from virtcim.providers.resources.allocation import ALLOCATIONS
from virtcim.providers.resources.devices import (
    CD_DRIVE_DEVICE,
    DEVICES,
    FLOPPY_DRIVE_DEVICE,
    LOGICAL_DISK,
)
from virtcim.providers.virtual_system.capabilities import SYSTEM_CAPABILITIES
from virtcim.providers.virtual_system.computer_system import COMPUTER_SYSTEM
from virtcim.providers.virtual_system.settings import SYSTEM_SETTINGS
from virtcim.providers.virtual_system_management.capabilities import MANAGEMENT_CAPABILITIES
from virtcim.providers.virtual_system_management.service import MANAGEMENT_SERVICE

__all__ = ["ASSOCIATIONS"]

_SERVICES = (MANAGEMENT_SERVICE, POOL_CONFIGURATION_SERVICE, POWER_SERVICE)
_CHILD_POOLS = (STORAGE_POOL, NETWORK_POOL)
# ServiceAffectsElement.ElementEffects; ElementSettingData.IsDefault, IsCurrent, IsNext.
_MANAGES = 5
_IS = 1


ASSOCIATIONS = (
    Association(
        name="VirtCIM_HostedDependency",
        ends=(
            End(role="Antecedent", classes=(HOST_SYSTEM,), reached=ends.hosts_of_system),
            End(role="Dependent", classes=(COMPUTER_SYSTEM,), reached=ends.systems_of_host),
        ),
    ),
    Association(
        name="VirtCIM_SystemDevice",
        ends=(
            End(
                role="GroupComponent",
                classes=(COMPUTER_SYSTEM, HOST_SYSTEM),
                reached=ends.system_of_device,
            ),
            End(
                role="PartComponent",
                classes=(*DEVICES, *HOST_DEVICES),
                reached=ends.devices_of_system,
            ),
        ),
    ),
    Association(
        name="VirtCIM_SettingsDefineState",
        ends=(
            End(
                role="ManagedElement",
                classes=(COMPUTER_SYSTEM, *DEVICES),
                reached=ends.elements_with_settings,
            ),
            End(
                role="SettingData",
                classes=(SYSTEM_SETTINGS, *ALLOCATIONS),
                reached=ends.state_settings,
            ),
        ),
    ),
    # One configuration is all that a system has: it applies now, and at the next start.
    Association(
        name="VirtCIM_ElementSettingData",
        ends=(
            End(
                role="ManagedElement",
                classes=(COMPUTER_SYSTEM, SYSTEM_SETTINGS),
                reached=ends.elements_of_settings,
            ),
            End(role="SettingData", classes=(SYSTEM_SETTINGS,), reached=ends.same(SYSTEM_SETTINGS)),
        ),
        values=lambda _first, _second: {"IsDefault": _IS, "IsCurrent": _IS, "IsNext": _IS},
    ),
    Association(
        name="VirtCIM_VirtualSystemSettingDataComponent",
        ends=(
            End(
                role="GroupComponent",
                classes=(SYSTEM_SETTINGS,),
                reached=ends.settings_of_allocation,
            ),
            End(role="PartComponent", classes=ALLOCATIONS, reached=ends.allocations_of_settings),
        ),
    ),
    Association(
        name="VirtCIM_HostedResourcePool",
        ends=(
            End(role="GroupComponent", classes=(HOST_SYSTEM,), reached=ends.hosts_of_pool),
            End(role="PartComponent", classes=POOLS, reached=ends.pools_of_host),
        ),
    ),
    Association(
        name="VirtCIM_ConcreteComponent",
        ends=(
            End(role="GroupComponent", classes=POOLS, reached=ends.pools_of_part),
            End(
                role="PartComponent",
                classes=(*HOST_DEVICES, *_CHILD_POOLS),
                reached=ends.parts_of_pool,
            ),
        ),
    ),
    Association(
        name="VirtCIM_ResourceAllocationFromPool",
        ends=(
            End(role="Antecedent", classes=POOLS, reached=ends.pool_of_allocation),
            End(role="Dependent", classes=ALLOCATIONS, reached=ends.allocations_from_pool),
        ),
    ),
    Association(
        name="VirtCIM_ElementAllocatedFromPool",
        ends=(
            End(role="Antecedent", classes=POOLS, reached=ends.pools_of_device),
            End(
                role="Dependent", classes=(*DEVICES, *_CHILD_POOLS), reached=ends.devices_from_pool
            ),
        ),
    ),
    Association(
        name="VirtCIM_BasedOn",
        ends=(
            End(role="Antecedent", classes=(DISK_IMAGE,), reached=ends.images_in_disk),
            End(role="Dependent", classes=(LOGICAL_DISK,), reached=ends.disks_with_image),
        ),
    ),
    Association(
        name="VirtCIM_MediaPresent",
        ends=(
            End(role="Dependent", classes=(DISK_IMAGE,), reached=ends.images_in_disk),
            End(
                role="Antecedent",
                classes=(CD_DRIVE_DEVICE, FLOPPY_DRIVE_DEVICE),
                reached=ends.drives_with_image,
            ),
        ),
        values=lambda _first, _second: {"FixedMedia": False},
    ),
    Association(
        name="VirtCIM_ElementCapabilities",
        ends=(
            End(
                role="ManagedElement",
                classes=(
                    COMPUTER_SYSTEM,
                    HOST_SYSTEM,
                    MANAGEMENT_SERVICE,
                    POOL_CONFIGURATION_SERVICE,
                    *DESCRIBED_POOLS,
                ),
                reached=service_ends.capable_elements,
            ),
            End(
                role="Capabilities",
                classes=(
                    SYSTEM_CAPABILITIES,
                    MANAGEMENT_CAPABILITIES,
                    POOL_CONFIGURATION_CAPABILITIES,
                    ALLOCATION_CAPABILITIES,
                ),
                reached=service_ends.capabilities_of,
            ),
        ),
    ),
    Association(
        name="VirtCIM_SettingsDefineCapabilities",
        ends=(
            End(
                role="GroupComponent",
                classes=(ALLOCATION_CAPABILITIES,),
                reached=capabilities_of_setting,
            ),
            End(
                role="PartComponent",
                classes=(CAPABILITY_SETTINGS,),
                reached=settings_of_capabilities,
            ),
        ),
        values=lambda _, setting: capability_role(setting),
    ),
    Association(
        name="VirtCIM_HostedService",
        ends=(
            End(role="Antecedent", classes=(HOST_SYSTEM,), reached=ends.same(HOST_SYSTEM)),
            End(role="Dependent", classes=_SERVICES, reached=service_ends.services_of_host),
        ),
    ),
    Association(
        name="VirtCIM_ServiceAffectsElement",
        ends=(
            End(
                role="AffectingElement",
                classes=(MANAGEMENT_SERVICE, POOL_CONFIGURATION_SERVICE),
                reached=service_ends.affecting_services,
            ),
            End(
                role="AffectedElement",
                classes=(HOST_SYSTEM, COMPUTER_SYSTEM, *POOLS),
                reached=service_ends.affected_elements,
            ),
        ),
        values=lambda _first, _second: {"ElementEffects": [_MANAGES]},
    ),
    Association(
        name="VirtCIM_AssociatedPowerManagementService",
        ends=(
            End(role="ServiceProvided", classes=(POWER_SERVICE,), reached=ends.same(POWER_SERVICE)),
            End(role="UserOfService", classes=(HOST_SYSTEM,), reached=ends.same(HOST_SYSTEM)),
        ),
        values=power_state,
    ),
    # From the jobs, as there are fewer of them than of what they may affect.
    Association(
        name="VirtCIM_AffectedJobElement",
        ends=(
            End(
                role="AffectingElement",
                classes=(CONCRETE_JOB,),
                reached=job_ends.affecting_jobs,
            ),
            End(
                role="AffectedElement",
                classes=job_ends.AFFECTED_CLASSES,
                reached=job_ends.affected_elements,
            ),
        ),
        values=job_ends.effect,
    ),
    Association(
        name="VirtCIM_OwningJobElement",
        ends=(
            End(role="OwnedElement", classes=(CONCRETE_JOB,), reached=job_ends.owned_jobs),
            End(
                role="OwningElement",
                classes=job_ends.OWNING_CLASSES,
                reached=job_ends.owning_element,
            ),
        ),
    ),
    Association(
        name="VirtCIM_ElementConformsToProfile",
        ends=(
            End(
                role="ConformantStandard",
                classes=(REGISTERED_PROFILE,),
                reached=profiles_of,
                namespace=INTEROP,
            ),
            End(role="ManagedElement", classes=CONFORMING_CLASSES, reached=conforming_instances),
        ),
    ),
    Association(
        name="VirtCIM_ReferencedProfile",
        ends=(
            End(role="Dependent", classes=(REGISTERED_PROFILE,), reached=referring_profiles),
            End(role="Antecedent", classes=(REGISTERED_PROFILE,), reached=referenced_profiles),
        ),
    ),
    Association(
        name="VirtCIM_NamespaceInManager",
        ends=(
            End(role="Antecedent", classes=(OBJECT_MANAGER,), reached=object_manager_of),
            End(role="Dependent", classes=(NAMESPACE,), reached=namespaces_of_manager),
        ),
    ),
)
