"""The named values of properties and parameters in the CIM schema 2.49.

Made by scripts/value_maps.py from the qualifiers ValueMap and Values: not to be edited.
Plain numbers, whose types differ: an enumeration would cost the start, and each reading
of a name. JobState is one, as jobs are read from a database.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NewType

__all__ = [
    "Access",
    "AccessValue",
    "AdvertiseType",
    "AdvertiseTypeValue",
    "AlertType",
    "AlertTypeValue",
    "AlertingElementFormat",
    "AlertingElementFormatValue",
    "AutomaticRecoveryAction",
    "AutomaticRecoveryActionValue",
    "AutomaticStartupAction",
    "AutomaticStartupActionValue",
    "ClassInfo",
    "ClassInfoValue",
    "ClassType",
    "ClassTypeValue",
    "ConsumerVisibility",
    "ConsumerVisibilityValue",
    "DataOrganization",
    "DataOrganizationValue",
    "Dedicated",
    "DedicatedValue",
    "DestinationProtocol",
    "DestinationProtocolValue",
    "EnabledDefault",
    "EnabledDefaultValue",
    "EnabledState",
    "EnabledStateValue",
    "ErrorSourceFormat",
    "ErrorSourceFormatValue",
    "HealthState",
    "HealthStateValue",
    "IsCurrent",
    "IsCurrentValue",
    "IsDefault",
    "IsDefaultValue",
    "IsNext",
    "IsNextValue",
    "JobEffect",
    "JobEffectValue",
    "JobState",
    "LinkTechnology",
    "LinkTechnologyValue",
    "LocalOrUtcTime",
    "LocalOrUtcTimeValue",
    "MediaCapability",
    "MediaCapabilityValue",
    "NameFormat",
    "NameFormatValue",
    "NameNamespace",
    "NameNamespaceValue",
    "OnFatalErrorPolicy",
    "OperatingStatus",
    "OperatingStatusValue",
    "OperationalStatus",
    "OperationalStatusValue",
    "PerceivedSeverity",
    "PerceivedSeverityValue",
    "PersistenceType",
    "PersistenceTypeValue",
    "PoolConfigurationMethod",
    "PoolConfigurationMethodValue",
    "PortType",
    "PortTypeValue",
    "PowerState",
    "PowerStateValue",
    "PrimaryStatus",
    "PrimaryStatusValue",
    "PropertyPolicy",
    "PropertyPolicyValue",
    "RegisteredOrganization",
    "RegisteredOrganizationValue",
    "RepeatNotificationPolicy",
    "RepeatNotificationPolicyValue",
    "RequestType",
    "RequestTypeValue",
    "RequestedJobState",
    "RequestedJobStateValue",
    "RequestedPowerState",
    "RequestedPowerStateValue",
    "RequestedState",
    "RequestedStateValue",
    "ResourceType",
    "ResourceTypeValue",
    "ServiceEffect",
    "ServiceEffectValue",
    "SharingMode",
    "SharingModeValue",
    "SpecificationType",
    "SpecificationTypeValue",
    "StateChangeResult",
    "StateChangeResultValue",
    "SubscriptionRemovalAction",
    "SubscriptionState",
    "SystemManagementMethod",
    "SystemManagementMethodValue",
    "ValueRange",
    "ValueRangeValue",
    "ValueRole",
    "ValueRoleValue",
    "VideoArchitecture",
    "VideoArchitectureValue",
]

EnabledStateValue = NewType("EnabledStateValue", int)
RequestedStateValue = NewType("RequestedStateValue", int)
EnabledDefaultValue = NewType("EnabledDefaultValue", int)
StateChangeResultValue = NewType("StateChangeResultValue", int)
OperationalStatusValue = NewType("OperationalStatusValue", int)
HealthStateValue = NewType("HealthStateValue", int)
OperatingStatusValue = NewType("OperatingStatusValue", int)
PrimaryStatusValue = NewType("PrimaryStatusValue", int)
DedicatedValue = NewType("DedicatedValue", int)
AutomaticStartupActionValue = NewType("AutomaticStartupActionValue", int)
AutomaticRecoveryActionValue = NewType("AutomaticRecoveryActionValue", int)
ResourceTypeValue = NewType("ResourceTypeValue", int)
ConsumerVisibilityValue = NewType("ConsumerVisibilityValue", int)
AccessValue = NewType("AccessValue", int)
NameFormatValue = NewType("NameFormatValue", int)
NameNamespaceValue = NewType("NameNamespaceValue", int)
DataOrganizationValue = NewType("DataOrganizationValue", int)
MediaCapabilityValue = NewType("MediaCapabilityValue", int)
LinkTechnologyValue = NewType("LinkTechnologyValue", int)
PortTypeValue = NewType("PortTypeValue", int)
VideoArchitectureValue = NewType("VideoArchitectureValue", int)
RequestTypeValue = NewType("RequestTypeValue", int)
SharingModeValue = NewType("SharingModeValue", int)
PropertyPolicyValue = NewType("PropertyPolicyValue", int)
ValueRoleValue = NewType("ValueRoleValue", int)
ValueRangeValue = NewType("ValueRangeValue", int)
ServiceEffectValue = NewType("ServiceEffectValue", int)
JobEffectValue = NewType("JobEffectValue", int)
IsDefaultValue = NewType("IsDefaultValue", int)
IsCurrentValue = NewType("IsCurrentValue", int)
IsNextValue = NewType("IsNextValue", int)
RequestedJobStateValue = NewType("RequestedJobStateValue", int)
LocalOrUtcTimeValue = NewType("LocalOrUtcTimeValue", int)
PowerStateValue = NewType("PowerStateValue", int)
RequestedPowerStateValue = NewType("RequestedPowerStateValue", int)
SystemManagementMethodValue = NewType("SystemManagementMethodValue", int)
PoolConfigurationMethodValue = NewType("PoolConfigurationMethodValue", int)
PersistenceTypeValue = NewType("PersistenceTypeValue", int)
DestinationProtocolValue = NewType("DestinationProtocolValue", int)
RepeatNotificationPolicyValue = NewType("RepeatNotificationPolicyValue", int)
SpecificationTypeValue = NewType("SpecificationTypeValue", int)
RegisteredOrganizationValue = NewType("RegisteredOrganizationValue", int)
AdvertiseTypeValue = NewType("AdvertiseTypeValue", int)
ErrorSourceFormatValue = NewType("ErrorSourceFormatValue", int)
AlertTypeValue = NewType("AlertTypeValue", int)
AlertingElementFormatValue = NewType("AlertingElementFormatValue", int)
PerceivedSeverityValue = NewType("PerceivedSeverityValue", int)
ClassInfoValue = NewType("ClassInfoValue", int)
ClassTypeValue = NewType("ClassTypeValue", int)


class EnabledState:
    """CIM_EnabledLogicalElement.EnabledState"""

    UNKNOWN = EnabledStateValue(0)
    OTHER = EnabledStateValue(1)
    ENABLED = EnabledStateValue(2)
    DISABLED = EnabledStateValue(3)
    SHUTTING_DOWN = EnabledStateValue(4)
    NOT_APPLICABLE = EnabledStateValue(5)
    ENABLED_BUT_OFFLINE = EnabledStateValue(6)
    IN_TEST = EnabledStateValue(7)
    DEFERRED = EnabledStateValue(8)
    QUIESCE = EnabledStateValue(9)
    STARTING = EnabledStateValue(10)


class RequestedState:
    """CIM_EnabledLogicalElement.RequestedState"""

    UNKNOWN = RequestedStateValue(0)
    ENABLED = RequestedStateValue(2)
    DISABLED = RequestedStateValue(3)
    SHUT_DOWN = RequestedStateValue(4)
    NO_CHANGE = RequestedStateValue(5)
    OFFLINE = RequestedStateValue(6)
    TEST = RequestedStateValue(7)
    DEFERRED = RequestedStateValue(8)
    QUIESCE = RequestedStateValue(9)
    REBOOT = RequestedStateValue(10)
    RESET = RequestedStateValue(11)
    NOT_APPLICABLE = RequestedStateValue(12)


class EnabledDefault:
    """CIM_EnabledLogicalElement.EnabledDefault"""

    ENABLED = EnabledDefaultValue(2)
    DISABLED = EnabledDefaultValue(3)
    NOT_APPLICABLE = EnabledDefaultValue(5)
    ENABLED_BUT_OFFLINE = EnabledDefaultValue(6)
    NO_DEFAULT = EnabledDefaultValue(7)
    QUIESCE = EnabledDefaultValue(9)


class StateChangeResult:
    """CIM_EnabledLogicalElement.RequestStateChange()"""

    USE_OF_TIMEOUT_PARAMETER_NOT_SUPPORTED = StateChangeResultValue(4098)


class OperationalStatus:
    """CIM_ManagedSystemElement.OperationalStatus"""

    UNKNOWN = OperationalStatusValue(0)
    OK = OperationalStatusValue(2)
    DEGRADED = OperationalStatusValue(3)
    ERROR = OperationalStatusValue(6)
    STOPPING = OperationalStatusValue(9)
    STOPPED = OperationalStatusValue(10)
    IN_SERVICE = OperationalStatusValue(11)
    NO_CONTACT = OperationalStatusValue(12)
    DORMANT = OperationalStatusValue(15)
    COMPLETED = OperationalStatusValue(17)


class HealthState:
    """CIM_ManagedSystemElement.HealthState"""

    UNKNOWN = HealthStateValue(0)
    OK = HealthStateValue(5)
    DEGRADED_WARNING = HealthStateValue(10)
    MINOR_FAILURE = HealthStateValue(15)
    MAJOR_FAILURE = HealthStateValue(20)
    CRITICAL_FAILURE = HealthStateValue(25)
    NON_RECOVERABLE_ERROR = HealthStateValue(30)


class OperatingStatus:
    """CIM_ManagedSystemElement.OperatingStatus"""

    UNKNOWN = OperatingStatusValue(0)
    SERVICING = OperatingStatusValue(2)
    STOPPED = OperatingStatusValue(5)
    DORMANT = OperatingStatusValue(7)
    IN_SERVICE = OperatingStatusValue(16)


class PrimaryStatus:
    """CIM_ManagedSystemElement.PrimaryStatus"""

    UNKNOWN = PrimaryStatusValue(0)
    OK = PrimaryStatusValue(1)
    DEGRADED = PrimaryStatusValue(2)
    ERROR = PrimaryStatusValue(3)


class Dedicated:
    """CIM_ComputerSystem.Dedicated"""

    NOT_DEDICATED = DedicatedValue(0)


class AutomaticStartupAction:
    """CIM_VirtualSystemSettingData.AutomaticStartupAction"""

    NONE = AutomaticStartupActionValue(2)
    RESTART_IF_PREVIOUSLY_ACTIVE = AutomaticStartupActionValue(3)
    ALWAYS_STARTUP = AutomaticStartupActionValue(4)


class AutomaticRecoveryAction:
    """CIM_VirtualSystemSettingData.AutomaticRecoveryAction"""

    NONE = AutomaticRecoveryActionValue(2)
    RESTART = AutomaticRecoveryActionValue(3)
    REVERT_TO_SNAPSHOT = AutomaticRecoveryActionValue(4)


class ResourceType:
    """CIM_ResourceAllocationSettingData.ResourceType"""

    OTHER = ResourceTypeValue(1)
    COMPUTER_SYSTEM = ResourceTypeValue(2)
    PROCESSOR = ResourceTypeValue(3)
    MEMORY = ResourceTypeValue(4)
    IDE_CONTROLLER = ResourceTypeValue(5)
    PARALLEL_SCSI_HBA = ResourceTypeValue(6)
    FC_HBA = ResourceTypeValue(7)
    I_SCSI_HBA = ResourceTypeValue(8)
    IB_HCA = ResourceTypeValue(9)
    ETHERNET_ADAPTER = ResourceTypeValue(10)
    OTHER_NETWORK_ADAPTER = ResourceTypeValue(11)
    I_O_SLOT = ResourceTypeValue(12)
    I_O_DEVICE = ResourceTypeValue(13)
    FLOPPY_DRIVE = ResourceTypeValue(14)
    CD_DRIVE = ResourceTypeValue(15)
    DVD_DRIVE = ResourceTypeValue(16)
    DISK_DRIVE = ResourceTypeValue(17)
    TAPE_DRIVE = ResourceTypeValue(18)
    STORAGE_EXTENT = ResourceTypeValue(19)
    OTHER_STORAGE_DEVICE = ResourceTypeValue(20)
    SERIAL_PORT = ResourceTypeValue(21)
    PARALLEL_PORT = ResourceTypeValue(22)
    USB_CONTROLLER = ResourceTypeValue(23)
    GRAPHICS_CONTROLLER = ResourceTypeValue(24)
    IEEE_1394_CONTROLLER = ResourceTypeValue(25)
    PARTITIONABLE_UNIT = ResourceTypeValue(26)
    BASE_PARTITIONABLE_UNIT = ResourceTypeValue(27)
    POWER = ResourceTypeValue(28)
    COOLING_CAPACITY = ResourceTypeValue(29)
    ETHERNET_SWITCH_PORT = ResourceTypeValue(30)
    LOGICAL_DISK = ResourceTypeValue(31)
    STORAGE_VOLUME = ResourceTypeValue(32)
    ETHERNET_CONNECTION = ResourceTypeValue(33)


class ConsumerVisibility:
    """CIM_ResourceAllocationSettingData.ConsumerVisibility"""

    UNKNOWN = ConsumerVisibilityValue(0)
    PASSED_THROUGH = ConsumerVisibilityValue(2)
    VIRTUALIZED = ConsumerVisibilityValue(3)
    NOT_REPRESENTED = ConsumerVisibilityValue(4)


class Access:
    """CIM_StorageAllocationSettingData.Access"""

    UNKNOWN = AccessValue(0)
    READABLE = AccessValue(1)
    WRITEABLE = AccessValue(2)
    READ_WRITE_SUPPORTED = AccessValue(3)


class NameFormat:
    """CIM_StorageExtent.NameFormat"""

    OTHER = NameFormatValue(1)
    OS_DEVICE_NAME = NameFormatValue(12)


class NameNamespace:
    """CIM_StorageExtent.NameNamespace"""

    OTHER = NameNamespaceValue(1)
    OS_DEVICE_NAMESPACE = NameNamespaceValue(8)


class DataOrganization:
    """CIM_StorageExtent.DataOrganization"""

    OTHER = DataOrganizationValue(0)
    UNKNOWN = DataOrganizationValue(1)
    FIXED_BLOCK = DataOrganizationValue(2)
    VARIABLE_BLOCK = DataOrganizationValue(3)
    COUNT_KEY_DATA = DataOrganizationValue(4)


class MediaCapability:
    """CIM_MediaAccessDevice.Capabilities"""

    RANDOM_ACCESS = MediaCapabilityValue(3)
    SUPPORTS_WRITING = MediaCapabilityValue(4)
    SUPPORTS_REMOVEABLE_MEDIA = MediaCapabilityValue(7)


class LinkTechnology:
    """CIM_NetworkPort.LinkTechnology"""

    ETHERNET = LinkTechnologyValue(2)


class PortType:
    """CIM_LogicalPort.PortType"""

    UNKNOWN = PortTypeValue(0)


class VideoArchitecture:
    """CIM_DisplayController.VideoArchitecture"""

    UNKNOWN = VideoArchitectureValue(0)


class RequestType:
    """CIM_AllocationCapabilities.RequestTypesSupported"""

    UNKNOWN = RequestTypeValue(0)
    SPECIFIC = RequestTypeValue(2)
    GENERAL = RequestTypeValue(3)
    BOTH = RequestTypeValue(4)


class SharingMode:
    """CIM_AllocationCapabilities.SharingMode"""

    UNKNOWN = SharingModeValue(0)
    OTHER = SharingModeValue(1)
    DEDICATED = SharingModeValue(2)
    SHARED = SharingModeValue(3)


class PropertyPolicy:
    """CIM_SettingsDefineCapabilities.PropertyPolicy"""

    INDEPENDENT = PropertyPolicyValue(0)
    CORRELATED = PropertyPolicyValue(1)


class ValueRole:
    """CIM_SettingsDefineCapabilities.ValueRole"""

    DEFAULT = ValueRoleValue(0)
    OPTIMAL = ValueRoleValue(1)
    MEAN = ValueRoleValue(2)
    SUPPORTED = ValueRoleValue(3)


class ValueRange:
    """CIM_SettingsDefineCapabilities.ValueRange"""

    POINT = ValueRangeValue(0)
    MINIMUMS = ValueRangeValue(1)
    MAXIMUMS = ValueRangeValue(2)
    INCREMENTS = ValueRangeValue(3)


class ServiceEffect:
    """CIM_ServiceAffectsElement.ElementEffects"""

    MANAGES = ServiceEffectValue(5)


class JobEffect:
    """CIM_AffectedJobElement.ElementEffects"""

    CREATE = JobEffectValue(5)


class IsDefault:
    """CIM_ElementSettingData.IsDefault"""

    UNKNOWN = IsDefaultValue(0)
    IS_DEFAULT = IsDefaultValue(1)
    IS_NOT_DEFAULT = IsDefaultValue(2)


class IsCurrent:
    """CIM_ElementSettingData.IsCurrent"""

    UNKNOWN = IsCurrentValue(0)
    IS_CURRENT = IsCurrentValue(1)
    IS_NOT_CURRENT = IsCurrentValue(2)


class IsNext:
    """CIM_ElementSettingData.IsNext"""

    UNKNOWN = IsNextValue(0)
    IS_NEXT = IsNextValue(1)
    IS_NOT_NEXT = IsNextValue(2)
    IS_NEXT_FOR_SINGLE_USE = IsNextValue(3)


class JobState(IntEnum):
    """CIM_ConcreteJob.JobState"""

    RUNNING = 4
    SHUTTING_DOWN = 6
    COMPLETED = 7
    TERMINATED = 8
    KILLED = 9
    EXCEPTION = 10


class RequestedJobState:
    """CIM_ConcreteJob.RequestStateChange(RequestedState)"""

    TERMINATE = RequestedJobStateValue(4)
    KILL = RequestedJobStateValue(5)


class LocalOrUtcTime:
    """CIM_Job.LocalOrUtcTime"""

    LOCAL_TIME = LocalOrUtcTimeValue(1)
    UTC_TIME = LocalOrUtcTimeValue(2)


class PowerState:
    """CIM_AssociatedPowerManagementService.PowerState"""

    OTHER = PowerStateValue(1)
    ON = PowerStateValue(2)


class RequestedPowerState:
    """CIM_AssociatedPowerManagementService.RequestedPowerState"""

    NOT_APPLICABLE = RequestedPowerStateValue(12)


class SystemManagementMethod:
    """CIM_VirtualSystemManagementCapabilities.SynchronousMethodsSupported"""

    DEFINE_SYSTEM_SUPPORTED = SystemManagementMethodValue(2)
    DESTROY_SYSTEM_SUPPORTED = SystemManagementMethodValue(3)
    DESTROY_SYSTEM_CONFIGURATION_SUPPORTED = SystemManagementMethodValue(4)
    MODIFY_RESOURCE_SETTINGS_SUPPORTED = SystemManagementMethodValue(5)
    MODIFY_SYSTEM_SETTINGS_SUPPORTED = SystemManagementMethodValue(6)
    REMOVE_RESOURCES_SUPPORTED = SystemManagementMethodValue(7)
    SELECT_SYSTEM_CONFIGURATION_SUPPORTED = SystemManagementMethodValue(8)
    SNAPSHOT_SYSTEM_SUPPORTED = SystemManagementMethodValue(9)
    ADD_RESOURCES_SUPPORTED = SystemManagementMethodValue(10)


class PoolConfigurationMethod:
    """CIM_ResourcePoolConfigurationCapabilities.SynchronousMethodsSupported"""

    CREATE_CHILD_RESOURCE_POOL_IS_SUPPORTED = PoolConfigurationMethodValue(3)
    DELETE_RESOURCE_POOL_IS_SUPPORTED = PoolConfigurationMethodValue(4)


class PersistenceType:
    """CIM_ListenerDestination.PersistenceType"""

    PERMANENT = PersistenceTypeValue(2)
    TRANSIENT = PersistenceTypeValue(3)


class DestinationProtocol:
    """CIM_ListenerDestination.Protocol"""

    CIM_XML = DestinationProtocolValue(2)


class OnFatalErrorPolicy(IntEnum):
    """CIM_IndicationSubscription.OnFatalErrorPolicy"""

    IGNORE = 2
    DISABLE = 3
    REMOVE = 4


class SubscriptionState(IntEnum):
    """CIM_IndicationSubscription.SubscriptionState"""

    ENABLED = 2
    ENABLED_DEGRADED = 3
    DISABLED = 4


class RepeatNotificationPolicy:
    """CIM_IndicationSubscription.RepeatNotificationPolicy"""

    UNKNOWN = RepeatNotificationPolicyValue(0)
    NONE = RepeatNotificationPolicyValue(2)


class SubscriptionRemovalAction(IntEnum):
    """CIM_IndicationService.SubscriptionRemovalAction"""

    REMOVE = 2
    DISABLE = 3
    IGNORE = 4


class SpecificationType:
    """CIM_RegisteredSpecification.SpecificationType"""

    PROFILE = SpecificationTypeValue(2)


class RegisteredOrganization:
    """CIM_RegisteredSpecification.RegisteredOrganization"""

    DMTF = RegisteredOrganizationValue(2)


class AdvertiseType:
    """CIM_RegisteredSpecification.AdvertiseTypes"""

    NOT_ADVERTISED = AdvertiseTypeValue(2)


class ErrorSourceFormat:
    """CIM_Error.ErrorSourceFormat"""

    UNKNOWN = ErrorSourceFormatValue(0)
    OTHER = ErrorSourceFormatValue(1)
    CIMOBJECT_PATH = ErrorSourceFormatValue(2)


class AlertType:
    """CIM_AlertIndication.AlertType"""

    OTHER = AlertTypeValue(1)
    COMMUNICATIONS_ALERT = AlertTypeValue(2)
    QUALITY_OF_SERVICE_ALERT = AlertTypeValue(3)
    PROCESSING_ERROR = AlertTypeValue(4)
    SECURITY_ALERT = AlertTypeValue(8)


class AlertingElementFormat:
    """CIM_AlertIndication.AlertingElementFormat"""

    UNKNOWN = AlertingElementFormatValue(0)
    CIMOBJECT_PATH = AlertingElementFormatValue(2)


class PerceivedSeverity:
    """CIM_AlertIndication.PerceivedSeverity"""

    INFORMATION = PerceivedSeverityValue(2)
    DEGRADED_WARNING = PerceivedSeverityValue(3)


class ClassInfo:
    """CIM_Namespace.ClassInfo"""

    OTHER = ClassInfoValue(1)


class ClassType:
    """CIM_Namespace.ClassType"""

    CIM = ClassTypeValue(2)
