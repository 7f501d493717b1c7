"""How a CIM server learns of the providers."""

from virtcim.registration.carrying import carried_namespaces
from virtcim.registration.carrying_out import RegistrationError, carry_out, told
from virtcim.registration.library import library_in
from virtcim.registration.model import Library, Model, model
from virtcim.registration.needed_classes import UnknownClassError
from virtcim.registration.plan import (
    Command,
    Finding,
    Plan,
    RemoveDirectory,
    RemoveFile,
    Step,
    WriteFile,
)
from virtcim.registration.receipt import Receipt, ReceiptError, read_receipt
from virtcim.registration.registry import (
    Kind,
    Registration,
    all_registrations,
    registrations,
)
from virtcim.registration.system_schema import SystemSchema, system_schema
from virtcim.registration.tools import ToolError, ToolMissingError, find_tool, run_command

__all__ = [
    "Command",
    "Finding",
    "Kind",
    "Library",
    "Model",
    "Plan",
    "Receipt",
    "ReceiptError",
    "Registration",
    "RegistrationError",
    "RemoveDirectory",
    "RemoveFile",
    "Step",
    "SystemSchema",
    "ToolError",
    "ToolMissingError",
    "UnknownClassError",
    "WriteFile",
    "all_registrations",
    "carried_namespaces",
    "carry_out",
    "find_tool",
    "library_in",
    "model",
    "read_receipt",
    "registrations",
    "run_command",
    "system_schema",
    "told",
]
