"""Exceptions of XAPI's parts (xenopsd, the storage interface) as the XenAPI errors they stand for.

XAPI turns most of them into errors of its own before a client sees them; where one gets through
in printed form, it is given the code that XAPI has for the same condition. Source: xen-api,
xenops_interface.ml, storage_interface.ml, xapi_xenops.ml, storage_utils.ml.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["NAMES", "as_server_error"]

_INTERNAL = "INTERNAL_ERROR"
_GONE = "Object with type {} and id {} does not exist in xenopsd"

# What a name stands for: code and arguments; {0} is an argument of the exception, "*" all of them.
_MEANINGS: dict[str, tuple[str, ...]] = {
    # xenopsd's interface
    "Already_exists": (_INTERNAL, "Object with type {0} and id {1} already exists in xenopsd"),
    "Unimplemented": ("UNIMPLEMENTED_IN_SM_BACKEND", "{0}"),
    "Domain_not_built": (_INTERNAL, "domain has not been built"),
    "Invalid_vcpus": (
        _INTERNAL,
        "the maximum number of vcpus configured for this VM is currently: {0}",
    ),
    "Bad_power_state": ("VM_BAD_POWER_STATE", "", "{1}", "{0}"),
    "Failed_to_acknowledge_shutdown_request": ("VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT",),
    "Failed_to_acknowledge_suspend_request": ("VM_FAILED_SUSPEND_ACKNOWLEDGMENT",),
    "Failed_to_shutdown": ("VM_SHUTDOWN_TIMEOUT", "*"),
    "Failed_to_suspend": ("VM_SUSPEND_TIMEOUT", "*"),
    "Device_is_connected": (_INTERNAL, "Cannot remove device because it is connected to a VM"),
    "Device_not_connected": (_INTERNAL, "Device is not connected"),
    "Device_detach_rejected": ("DEVICE_DETACH_REJECTED", "*"),
    "Media_not_ejectable": ("VBD_NOT_REMOVABLE_MEDIA",),
    "Media_present": ("VBD_NOT_EMPTY",),
    "Media_not_present": ("VBD_IS_EMPTY",),
    "No_bootable_device": (_INTERNAL, "there is no bootable device"),
    "Bootloader_error": ("BOOTLOADER_FAILED", "*"),
    "Cannot_free_this_much_memory": ("HOST_NOT_ENOUGH_FREE_MEMORY",),
    "Vms_failed_to_cooperate": ("VMS_FAILED_TO_COOPERATE", "*"),
    "IO_error": ("VDI_IO_ERROR",),
    "Failed_to_contact_remote_service": ("VM_MIGRATE_CONTACT_REMOTE_SERVICE_FAILED", "*"),
    "Hook_failed": ("XAPI_HOOK_FAILED", "*"),
    "Not_enough_memory": (_INTERNAL, "there was not enough memory (needed {0} bytes)"),
    "PCIBack_not_loaded": (_INTERNAL, "pciback has not loaded"),
    "Failed_to_start_emulator": ("FAILED_TO_START_EMULATOR", "*"),
    "Ballooning_timeout_before_migration": ("BALLOONING_TIMEOUT_BEFORE_MIGRATION", "*"),
    "Cancelled": ("TASK_CANCELLED", "*"),
    "Internal_error": (_INTERNAL, "*"),
    # The storage interface
    "Sr_not_attached": ("SR_NOT_ATTACHED", "*"),
    "Sr_does_not_exist": ("SR_NOT_ATTACHED", "*"),
    "SR_does_not_exist": ("SR_NOT_ATTACHED", "*"),
    "No_storage_plugin_for_sr": ("SR_NOT_ATTACHED", "*"),
    "Sr_unhealthy": ("SR_UNHEALTHY", "*"),
    "Sr_attached": ("SR_HAS_PBD", "*"),
    "Vdi_does_not_exist": ("VDI_MISSING", "*"),
    "Volume_does_not_exist": ("VDI_MISSING", "*"),
    "Activated_on_another_host": ("VDI_IN_USE", "*"),
    "Not_enough_space": ("SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""),
    "Content_ids_do_not_match": ("VDI_COPY_FAILED",),
    "Migration_mirror_fd_failure": ("MIRROR_FAILED", "*"),
    "Migration_mirror_snapshot_failure": ("MIRROR_FAILED", "*"),
    "Migration_mirror_copy_failure": ("MIRROR_FAILED", "*"),
    "Migration_mirror_failure": ("MIRROR_FAILED", "*"),
    "Migration_preparation_failure": ("MIRROR_FAILED", "*"),
    "Illegal_transition": (
        "OPERATION_NOT_ALLOWED",
        "The disk cannot go from state {0} to state {1}.",
    ),
    "Missing_configuration_parameter": ("INVALID_VALUE", "{0}", ""),
    "Duplicated_key": ("MAP_DUPLICATE_KEY", "", "", "", "{0}"),
    "Redirect": ("HOST_IS_SLAVE", "*"),
    # What frees memory, and the networks
    "Domains_refused_to_cooperate": ("VMS_FAILED_TO_COOPERATE", "*"),
    "Interface_does_not_exist": ("PIF_DEVICE_NOT_FOUND",),
    "Bridge_does_not_exist": ("BRIDGE_NOT_AVAILABLE", "{0}"),
    # Exceptions inside xenopsd
    "Bad_error": ("BOOTLOADER_FAILED", "", "{0}"),
    "Bad_sexpr": ("BOOTLOADER_FAILED", "", "{0}"),
    "Error_from_bootloader": ("BOOTLOADER_FAILED", "", "{0}"),
    "Unknown_bootloader": ("BOOTLOADER_FAILED", "", "{0}"),
    "Ioemu_failed": ("FAILED_TO_START_EMULATOR", "", "{0}", "{1}"),
    "Service_failed": ("FAILED_TO_START_EMULATOR", "", "{0}", "{1}"),
    "Domain_not_running": (_INTERNAL, "Domain is not running"),
    "Domain_does_not_exist": (_INTERNAL, _GONE.format("domain", "{0}")),
    "Domain_not_found": (_INTERNAL, _GONE.format("domain", "{0}")),
    "Device_frontend_already_connected": ("DEVICE_ALREADY_ATTACHED", "*"),
    "Device_disconnect_timeout": ("DEVICE_DETACH_TIMEOUT", "*"),
    "Device_timeout": ("DEVICE_ATTACH_TIMEOUT", "*"),
    "Frontend_device_timeout": ("DEVICE_ATTACH_TIMEOUT", "*"),
    "Invalid_Mac": ("MAC_INVALID", "*"),
}
# Those that carry a whole error: its code, then its arguments.
_CARRIERS = frozenset(("Backend_error", "Backend_error_with_backtrace", "Storage_backend_error"))
_WITH_BACKTRACE = "Backend_error_with_backtrace"
_OF_A_KIND = "Does_not_exist"
NAMES = frozenset((*_MEANINGS, *_CARRIERS, _OF_A_KIND))
# Code, empty, message and output of a back end.
_BACK_END_ARGUMENTS = 3
_GONE_MACHINES = ("vm", "domain")
# Of the storage interface: what it copies disks with, and what it keeps.
_GONE_CODES = {
    "mirror": "MIRROR_FAILED",
    "copy": "VDI_COPY_FAILED",
    "sr": "SR_NOT_ATTACHED",
    "vdi": "VDI_MISSING",
}


def as_server_error(name: str, arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    """The XenAPI code and arguments of the exception ``name``; None for one without a code."""
    if name in _CARRIERS:
        if not arguments:
            return None
        code, rest = arguments[0], list(arguments[1:])
        if name == _WITH_BACKTRACE and len(rest) > _BACK_END_ARGUMENTS:
            del rest[0]
        return code, rest
    if name == _OF_A_KIND:
        return _gone(arguments)
    meaning = _MEANINGS.get(name)
    if meaning is None:
        return None
    code, *templates = meaning
    given = list(arguments)
    words: list[str] = []
    for template in templates:
        words += given if template == "*" else [_filled(template, given)]
    return code, words


def _gone(arguments: Sequence[str]) -> tuple[str, list[str]] | None:
    kind, identifier = [*arguments, "", ""][:2]
    if not kind:
        return None
    if kind.lower() in _GONE_MACHINES:
        return "HANDLE_INVALID", ["VM", identifier]
    if (code := _GONE_CODES.get(kind.lower())) is not None:
        return code, [identifier]
    return _INTERNAL, [_GONE.format(kind, identifier)]


def _filled(template: str, arguments: Sequence[str]) -> str:
    for at in range(2):
        template = template.replace(f"{{{at}}}", arguments[at] if at < len(arguments) else "")
    return template
