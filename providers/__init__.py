"""The CIM classes over the domain model, for any CIM server.

``Providers`` is the boundary; what crosses it are ``ObjectPath``, ``Record``, ``MethodResult``
and ``CimError``.
"""

from virtcim.errormap import ErrorCode, accepted_language
from virtcim.providers.association_engine import Association
from virtcim.providers.associations import ASSOCIATIONS
from virtcim.providers.errors import failure, path_text
from virtcim.providers.instance_class import ClassModel, InstanceClass
from virtcim.providers.interop import INTEROP
from virtcim.providers.method import Method
from virtcim.providers.methods import METHODS
from virtcim.providers.records import (
    CimError,
    MethodResult,
    ObjectPath,
    Record,
    Scalar,
    StatusCode,
    Value,
)
from virtcim.providers.service import IMPLEMENTATION_CLASSES, INTEROP_CLASSES, ROOT, Providers
from virtcim.providers.state_database import StateError

__all__ = [
    "ASSOCIATIONS",
    "IMPLEMENTATION_CLASSES",
    "INTEROP",
    "INTEROP_CLASSES",
    "METHODS",
    "ROOT",
    "Association",
    "CimError",
    "ClassModel",
    "ErrorCode",
    "InstanceClass",
    "Method",
    "MethodResult",
    "ObjectPath",
    "Providers",
    "Record",
    "Scalar",
    "StateError",
    "StatusCode",
    "Value",
    "accepted_language",
    "failure",
    "path_text",
]
