"""The DMTF documents that the sources cite, with their versions, and the clauses that are cited.

A citation is written ``DSP0200 clause 5.4.2.2``; a test holds the sources against this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["STANDARDS", "Standard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """One version of a document; ``clauses`` holds the titles of the clauses by their numbers."""

    title: str
    version: str
    clauses: Mapping[str, str]


STANDARDS: Mapping[str, Standard] = MappingProxyType(
    {
        "DSP0004": Standard(
            title="Common Information Model (CIM) Infrastructure",
            version="2.7.0",
            clauses=MappingProxyType(
                {
                    "5.2": "Data types",
                    "5.2.4": "Datetime type",
                    "5.6.3": "Standard qualifiers",
                    "8.2": "Object identity and object paths",
                    "annex A": "MOF syntax grammar",
                    "annex C": "Units",
                }
            ),
        ),
        "DSP0200": Standard(
            title="CIM Operations over HTTP",
            version="1.4.0",
            clauses=MappingProxyType(
                {
                    "5.4.1": "Method invocations",
                    "5.4.1.3": "Status codes",
                    "5.4.2.1": "GetClass",
                    "5.4.2.2": "GetInstance",
                    "5.4.2.4": "DeleteInstance",
                    "5.4.2.11": "EnumerateInstances",
                    "5.4.2.14": "Associators",
                    "5.4.2.15": "AssociatorNames",
                    "5.4.2.16": "References",
                    "5.4.2.17": "ReferenceNames",
                    "5.4.2.18": "GetProperty",
                    "5.4.2.20": "GetQualifier",
                    "5.4.2.24": "Pulled enumeration operations",
                    "6.3": "Extension headers of requests and responses",
                    "6.3.11": "CIMError",
                    "7": "HTTP requirements and usage",
                    "7.3": "Errors and status codes",
                    "7.5": "Determining the capabilities of a WBEM server",
                }
            ),
        ),
        "DSP0201": Standard(
            title="Representation of CIM in XML",
            version="2.4.0",
            clauses=MappingProxyType(
                {
                    "5.2.2": "Declaration elements",
                    "5.2.3.1": "VALUE",
                    "5.2.5.2": "INSTANCE",
                    "5.2.5.4": "PROPERTY",
                    "5.2.5.5": "PROPERTY.ARRAY",
                    "5.2.6": "Message elements",
                }
            ),
        ),
    }
)
