"""The DMTF documents that the sources cite, with their versions, and the clauses that are cited.

A citation is written ``DSP0200 "GetInstance"``, by the title of the clause: numbers change between
the versions of a document, and what is cited from memory is wrong unseen. A test holds the sources
against this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["STANDARDS", "Standard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """One version of a document; ``clauses`` holds the titles of the clauses that are cited.

    A clause on an operation, method, class, qualifier, element or header has its name as title.
    """

    title: str
    version: str
    clauses: frozenset[str]


STANDARDS: Mapping[str, Standard] = MappingProxyType(
    {
        "DSP0004": Standard(
            title="Common Information Model (CIM) Infrastructure",
            version="2.7.0",
            clauses=frozenset(
                {
                    "Data Types",
                    "Datetime Type",
                    "MOF Syntax Grammar Description",
                    "Object Paths",
                    "Standard Qualifiers",
                    "Units",
                    "ValueMap",
                    "Values",
                }
            ),
        ),
        "DSP0200": Standard(
            title="CIM Operations over HTTP",
            version="1.4.0",
            clauses=frozenset(
                {
                    "AssociatorNames",
                    "Associators",
                    "CIMError",
                    "CIMExport",
                    "CIMMethod",
                    "CIMObject",
                    "CIMOperation",
                    "CreateInstance",
                    "DeleteInstance",
                    "Determining CIM Server Capabilities",
                    "EnumerateInstances",
                    "Errors and Status Codes",
                    "ExecQuery",
                    "Extrinsic Method Invocation",
                    "GetClass",
                    "GetInstance",
                    "GetProperty",
                    "GetQualifier",
                    "HTTP Requirements and Usage",
                    "ModifyInstance",
                    "OpenQueryInstances",
                    "Pulled Enumeration Operations",
                    "ReferenceNames",
                    "References",
                    "SetProperty",
                    "Status Codes",
                }
            ),
        ),
        "DSP0201": Standard(
            title="Representation of CIM in XML",
            version="2.4.0",
            clauses=frozenset(
                {
                    "DECLARATION",
                    "EXPMETHODCALL",
                    "INSTANCE",
                    "MESSAGE",
                    "PROPERTY",
                    "PROPERTY.ARRAY",
                    "VALUE",
                }
            ),
        ),
        "DSP1042": Standard(
            title="System Virtualization Profile",
            version="1.0.0",
            clauses=frozenset(
                {
                    "CIM_System",
                    "CIM_VirtualSystemManagementCapabilities",
                    "CIM_VirtualSystemManagementService",
                    "CIM_VirtualSystemManagementService.AddResourceSettings",
                    "CIM_VirtualSystemManagementService.DefineSystem",
                    "CIM_VirtualSystemManagementService.DestroySystem",
                    "CIM_VirtualSystemManagementService.ModifyResourceSettings",
                    "CIM_VirtualSystemManagementService.ModifySystemSettings",
                    "CIM_VirtualSystemManagementService.RemoveResourceSettings",
                }
            ),
        ),
        "DSP1057": Standard(
            title="Virtual System Profile",
            version="1.0.0",
            clauses=frozenset(
                {
                    "CIM_ComputerSystem",
                    "CIM_ComputerSystem.RequestStateChange",
                    "CIM_LogicalDevice",
                    "CIM_VirtualSystemSettingData",
                }
            ),
        ),
    }
)
