"""The CIM classes over the domain model, for any CIM server.

``Providers`` is the boundary; what crosses it are ``ObjectPath``, ``Record``, ``MethodResult``
and ``CimError``.
"""

from virtcim.cim.records import (
    CimError,
    MethodResult,
    ObjectPath,
    Record,
    Scalar,
    StatusCode,
    Value,
)
from virtcim.errormap import ErrorCode, accepted_language
from virtcim.providers.associations.indication_table import INDICATION_ASSOCIATIONS
from virtcim.providers.associations.table import ASSOCIATIONS
from virtcim.providers.boundary import (
    CREATED_CLASSES,
    HOST_CLASSES,
    IMPLEMENTATION_CLASSES,
    INTEROP_CLASSES,
    ROOT,
    SERVER_CLASSES,
    Providers,
)
from virtcim.providers.coded_error import ERROR_CLASS
from virtcim.providers.engine.association_engine import Association
from virtcim.providers.engine.instance_class import ClassModel, InstanceClass
from virtcim.providers.errors import failure, failure_of
from virtcim.providers.indications import INDICATION_CLASSES, Indication, IndicationSink
from virtcim.providers.interop.object_manager import INTEROP
from virtcim.providers.jobs.invocation import Method
from virtcim.providers.method_table import METHODS
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.errors import StateError, StateHeldError
from virtcim.providers.state.job import Job
from virtcim.providers.state.several_processes import Colleagues

__all__ = [
    "ASSOCIATIONS",
    "CREATED_CLASSES",
    "ERROR_CLASS",
    "HOST_CLASSES",
    "IMPLEMENTATION_CLASSES",
    "INDICATION_ASSOCIATIONS",
    "INDICATION_CLASSES",
    "INTEROP",
    "INTEROP_CLASSES",
    "METHODS",
    "ROOT",
    "SERVER_CLASSES",
    "Association",
    "CimError",
    "ClassModel",
    "Colleagues",
    "ErrorCode",
    "Indication",
    "IndicationSink",
    "InstanceClass",
    "Job",
    "Method",
    "MethodResult",
    "ObjectPath",
    "Providers",
    "Record",
    "Scalar",
    "StateDatabase",
    "StateError",
    "StateHeldError",
    "StatusCode",
    "Value",
    "accepted_language",
    "failure",
    "failure_of",
]
