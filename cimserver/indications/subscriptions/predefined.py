"""The filters that nobody needs to create, and the collection of them (DSP1054)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COLLECTION_ID", "COLLECTION_VALUES", "PREDEFINED", "QUERY_LANGUAGE", "Predefined"]

QUERY_LANGUAGE = "DMTF:CQL"
COLLECTION_ID = "VirtCIM:PredefinedFilters"
COLLECTION_VALUES = {
    "CollectionName": COLLECTION_ID,
    "ElementName": "Predefined filters",
    "Description": "All filters that are there without anybody creating them.",
}


class Predefined(NamedTuple):
    """A filter: its Name, what it selects in words, and its query."""

    name: str
    description: str
    query: str


PREDEFINED = (
    Predefined(
        "VirtCIM:SystemCreated",
        "A virtual system or a host is there that was not.",
        "SELECT * FROM CIM_InstCreation WHERE SourceInstance ISA CIM_ComputerSystem",
    ),
    Predefined(
        "VirtCIM:SystemDeleted",
        "A virtual system or a host is not there any more.",
        "SELECT * FROM CIM_InstDeletion WHERE SourceInstance ISA CIM_ComputerSystem",
    ),
    Predefined(
        "VirtCIM:SystemChanged",
        "Something of a virtual system or a host has changed, its state included.",
        "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem",
    ),
    Predefined(
        "VirtCIM:SystemStateChanged",
        "A virtual system or a host is in another state than before.",
        "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
        "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState",
    ),
    Predefined(
        "VirtCIM:Settings",
        "Settings of a system or a resource are there, have changed, or are gone.",
        "SELECT * FROM CIM_InstIndication WHERE SourceInstance ISA CIM_SettingData",
    ),
    Predefined(
        "VirtCIM:Pools",
        "A resource pool is there, has changed, or is gone.",
        "SELECT * FROM CIM_InstIndication WHERE SourceInstance ISA CIM_ResourcePool",
    ),
    Predefined(
        "VirtCIM:Jobs",
        "A job began, goes on, ended, or was removed.",
        "SELECT * FROM CIM_InstIndication WHERE SourceInstance ISA CIM_ConcreteJob",
    ),
    Predefined(
        "VirtCIM:JobEnded",
        "A job ended, well or not.",
        "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ConcreteJob "
        "AND SourceInstance.JobState >= 7 AND PreviousInstance.JobState < 7",
    ),
    Predefined(
        "VirtCIM:Alerts",
        "Something that somebody should know: a system stopped by itself, an operation failed, a "
        "hypervisor cannot be reached.",
        "SELECT * FROM CIM_AlertIndication",
    ),
    Predefined(
        "VirtCIM:OperationFailed",
        "An operation or a job failed.",
        "SELECT * FROM VirtCIM_AlertIndication WHERE Operation IS NOT NULL "
        "OR JobInstanceID IS NOT NULL",
    ),
)
