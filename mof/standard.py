"""Classes of the DMTF that nothing of ours derives from, but whose instances clients look for.

A client that probes for an optional service shall find that there is none, not that the class is
unknown. Their superclasses and the classes that they refer to come with them.
"""

from __future__ import annotations

__all__ = ["OPTIONAL_CLASSES", "PROFILE_CLASSES"]

_SNAPSHOTS = (  # DSP1042, DSP1057
    "CIM_LastAppliedSnapshot",
    "CIM_SnapshotOfVirtualSystem",
    "CIM_VirtualSystemSnapshotCapabilities",
    "CIM_VirtualSystemSnapshotService",
    "CIM_VirtualSystemSnapshotServiceCapabilities",
)
_MIGRATION = ("CIM_VirtualSystemMigrationSettingData",)  # DSP1081
_OF_OURS = (  # optional.mof, as the DMTF's final schema has none of them; DSP1057, DSP1081
    "CIM_MostCurrentSnapshotInBranch",
    "CIM_VirtualSystemMigrationCapabilities",
    "CIM_VirtualSystemMigrationService",
)
_REDIRECTION = (  # DSP1024, DSP1076, DSP1086
    "CIM_KVMRedirectionSAP",
    "CIM_MediaRedirectionCapabilities",
    "CIM_MediaRedirectionSAP",
    "CIM_RedirectionService",
    "CIM_RedirectionServiceCapabilities",
    "CIM_TextRedirectionSAP",
    "CIM_TextRedirectionService",
    "CIM_USBRedirectionCapabilities",
    "CIM_USBRedirectionSAP",
    "CIM_USBRedirectionService",
)
_ACCESS_POINTS = (
    "CIM_HostedAccessPoint",
    "CIM_ProtocolEndpoint",
    "CIM_RemoteAccessAvailableToElement",
    "CIM_RemoteServiceAccessPoint",
    "CIM_SAPAvailableForElement",
    "CIM_ServiceAccessBySAP",
    "CIM_ServiceAccessPoint",
    "CIM_ServiceAccessURI",
)
_INDICATIONS = (  # DSP1054
    "CIM_AlertIndication",
    "CIM_FilterCollection",
    "CIM_FilterCollectionSubscription",
    "CIM_FormattedIndicationSubscription",
    "CIM_IndicationFilter",
    "CIM_IndicationHandlerCIMXML",
    "CIM_IndicationService",
    "CIM_IndicationServiceCapabilities",
    "CIM_IndicationServiceSettingData",
    "CIM_IndicationSubscription",
    "CIM_InstCreation",
    "CIM_InstDeletion",
    "CIM_InstModification",
    "CIM_ListenerDestinationCIMXML",
    "CIM_ListenerDestinationWSManagement",
    "CIM_MemberOfCollection",
    "CIM_OwningCollectionElement",
)
_METRICS = (  # DSP1053
    "CIM_AggregationMetricDefinition",
    "CIM_AggregationMetricValue",
    "CIM_BaseMetricDefinition",
    "CIM_BaseMetricValue",
    "CIM_MetricDefForME",
    "CIM_MetricForME",
    "CIM_MetricInstance",
    "CIM_MetricService",
    "CIM_MetricServiceCapabilities",
)
_LOGS = (  # DSP1010
    "CIM_LogEntry",
    "CIM_LogManagesRecord",
    "CIM_RecordLog",
    "CIM_RecordLogCapabilities",
    "CIM_UseOfLog",
)
_SOFTWARE_AND_BOOT = (  # DSP1023, DSP1061, DSP1012, DSP1027, DSP1029
    "CIM_BIOSElement",
    "CIM_BootConfigSetting",
    "CIM_BootService",
    "CIM_BootServiceCapabilities",
    "CIM_BootSourceSetting",
    "CIM_ElementSoftwareIdentity",
    "CIM_InstalledSoftwareIdentity",
    "CIM_OperatingSystem",
    "CIM_PowerManagementCapabilities",
    "CIM_RunningOS",
    "CIM_SoftwareIdentity",
    "CIM_SoftwareInstallationService",
)
_NETWORKS = ("CIM_VirtualEthernetSwitchSettingData",)  # DSP1097
_SERVER = (
    "CIM_CIMXMLCommunicationMechanism",
    "CIM_CommMechanismForManager",
    "CIM_ObjectManagerCommunicationMechanism",
)
OPTIONAL_CLASSES = (
    *_SNAPSHOTS,
    *_MIGRATION,
    *_REDIRECTION,
    *_ACCESS_POINTS,
    *_INDICATIONS,
    *_METRICS,
    *_LOGS,
    *_SOFTWARE_AND_BOOT,
    *_NETWORKS,
    *_SERVER,
)
#: Those of the profiles of virtual systems. What else there is tells of the CIM server itself.
PROFILE_CLASSES = (
    *_SNAPSHOTS,
    *_MIGRATION,
    *_OF_OURS,
    *_REDIRECTION,
    *_ACCESS_POINTS,
    *_METRICS,
    *_LOGS,
    *_SOFTWARE_AND_BOOT,
    *_NETWORKS,
)
