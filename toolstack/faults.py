"""The failures that the XenAPI dialect answers with, and how libvirt's errors become them."""

from __future__ import annotations

import re

import libvirt

__all__ = [
    "XapiFailure",
    "bad_power_state",
    "field_type_error",
    "handle_invalid",
    "libvirt_failure",
    "lost_connection",
    "value_not_supported",
]


class XapiFailure(Exception):  # noqa: N818 - XenAPI's word
    """A failed call: ``description`` is XenAPI's ErrorDescription, a code and its arguments."""

    def __init__(self, code: str, *arguments: str) -> None:
        super().__init__(code, *arguments)
        self.description = (code, *arguments)

    @property
    def code(self) -> str:
        """The XenAPI code, e.g. ``VM_BAD_POWER_STATE``."""
        return self.description[0]


def handle_invalid(class_name: str, ref: str) -> XapiFailure:
    """Give the failure for a reference that names no object (XenAPI ``HANDLE_INVALID``)."""
    return XapiFailure("HANDLE_INVALID", class_name, ref)


def bad_power_state(ref: str, expected: str, actual: str) -> XapiFailure:
    """Give XenAPI ``VM_BAD_POWER_STATE``; the states travel in lower case."""
    return XapiFailure("VM_BAD_POWER_STATE", ref, expected.lower(), actual.lower())


def field_type_error(field: str) -> XapiFailure:
    """Give the failure for a parameter or field of the wrong type (XenAPI ``FIELD_TYPE_ERROR``)."""
    return XapiFailure("FIELD_TYPE_ERROR", field)


def value_not_supported(field: str, value: object, reason: str) -> XapiFailure:
    """Give the failure for a value that cannot be used (XenAPI ``VALUE_NOT_SUPPORTED``)."""
    return XapiFailure("VALUE_NOT_SUPPORTED", field, str(value), reason)


def _names(pattern: str) -> dict[int, str]:
    # The first three VIR_ERR_ numbers are also the levels NONE, WARNING and ERROR.
    levels = {"VIR_ERR_NONE", "VIR_ERR_WARNING", "VIR_ERR_ERROR"}
    return {
        getattr(libvirt, name): name
        for name in dir(libvirt)
        if re.fullmatch(pattern, name) and name not in levels
    }


_ERROR_NAMES = _names("VIR_(ERR|WAR)_[A-Z0-9_]+")
_DOMAIN_NAMES = _names("VIR_FROM_[A-Z0-9_]+")


def libvirt_failure(error: libvirt.libvirtError) -> XapiFailure:
    """Give a libvirt error whole: number, name, domain, message, str1 and int1, all as text."""
    number = error.get_error_code()
    if number is None:  # raised by the Python binding itself: libvirt has said nothing
        return _libvirt_array(libvirt.VIR_ERR_INTERNAL_ERROR, 0, str(error), "", -1)
    return _libvirt_array(
        number,
        error.get_error_domain(),
        error.get_error_message() or "",
        error.get_str1() or "",
        error.get_int1(),
    )


def lost_connection(uri: str, reason: str) -> XapiFailure:
    """Give the failure of calls that are not even tried, as there is no connection to libvirt."""
    return _libvirt_array(
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_FROM_RPC,
        f"no connection to libvirt at {uri}: {reason}",
        uri,
        -1,
    )


def _libvirt_array(
    number: int, domain: int, message: str, str1: str, int1: int | None
) -> XapiFailure:
    return XapiFailure(
        "LIBVIRT_ERROR",
        str(number),
        _ERROR_NAMES.get(number, ""),
        _DOMAIN_NAMES.get(domain, ""),
        message,
        str1,
        "" if int1 is None else str(int1),
    )
