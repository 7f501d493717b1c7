"""The numbers of libvirt's virErrorNumber by name, and the words its messages begin with.

Source: libvirt/virterror.h and the messages of src/util/virerror.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from virtcim.errormap.patterns import later
from virtcim.errormap.reading.errnos import ends_in_errno
from virtcim.errormap.reading.translated import recognised

__all__ = ["BEGINNINGS", "LIBVIRT_NUMBERS", "number_in_message"]

LIBVIRT_NUMBERS: dict[str, int] = {
    "VIR_ERR_OK": 0,
    "VIR_ERR_INTERNAL_ERROR": 1,
    "VIR_ERR_NO_MEMORY": 2,
    "VIR_ERR_NO_SUPPORT": 3,
    "VIR_ERR_UNKNOWN_HOST": 4,
    "VIR_ERR_NO_CONNECT": 5,
    "VIR_ERR_INVALID_CONN": 6,
    "VIR_ERR_INVALID_DOMAIN": 7,
    "VIR_ERR_INVALID_ARG": 8,
    "VIR_ERR_OPERATION_FAILED": 9,
    "VIR_ERR_GET_FAILED": 10,
    "VIR_ERR_POST_FAILED": 11,
    "VIR_ERR_HTTP_ERROR": 12,
    "VIR_ERR_SEXPR_SERIAL": 13,
    "VIR_ERR_NO_XEN": 14,
    "VIR_ERR_XEN_CALL": 15,
    "VIR_ERR_OS_TYPE": 16,
    "VIR_ERR_NO_KERNEL": 17,
    "VIR_ERR_NO_ROOT": 18,
    "VIR_ERR_NO_SOURCE": 19,
    "VIR_ERR_NO_TARGET": 20,
    "VIR_ERR_NO_NAME": 21,
    "VIR_ERR_NO_OS": 22,
    "VIR_ERR_NO_DEVICE": 23,
    "VIR_ERR_NO_XENSTORE": 24,
    "VIR_ERR_DRIVER_FULL": 25,
    "VIR_ERR_CALL_FAILED": 26,
    "VIR_ERR_XML_ERROR": 27,
    "VIR_ERR_DOM_EXIST": 28,
    "VIR_ERR_OPERATION_DENIED": 29,
    "VIR_ERR_OPEN_FAILED": 30,
    "VIR_ERR_READ_FAILED": 31,
    "VIR_ERR_PARSE_FAILED": 32,
    "VIR_ERR_CONF_SYNTAX": 33,
    "VIR_ERR_WRITE_FAILED": 34,
    "VIR_ERR_XML_DETAIL": 35,
    "VIR_ERR_INVALID_NETWORK": 36,
    "VIR_ERR_NETWORK_EXIST": 37,
    "VIR_ERR_SYSTEM_ERROR": 38,
    "VIR_ERR_RPC": 39,
    "VIR_ERR_GNUTLS_ERROR": 40,
    "VIR_WAR_NO_NETWORK": 41,
    "VIR_ERR_NO_DOMAIN": 42,
    "VIR_ERR_NO_NETWORK": 43,
    "VIR_ERR_INVALID_MAC": 44,
    "VIR_ERR_AUTH_FAILED": 45,
    "VIR_ERR_INVALID_STORAGE_POOL": 46,
    "VIR_ERR_INVALID_STORAGE_VOL": 47,
    "VIR_WAR_NO_STORAGE": 48,
    "VIR_ERR_NO_STORAGE_POOL": 49,
    "VIR_ERR_NO_STORAGE_VOL": 50,
    "VIR_WAR_NO_NODE": 51,
    "VIR_ERR_INVALID_NODE_DEVICE": 52,
    "VIR_ERR_NO_NODE_DEVICE": 53,
    "VIR_ERR_NO_SECURITY_MODEL": 54,
    "VIR_ERR_OPERATION_INVALID": 55,
    "VIR_WAR_NO_INTERFACE": 56,
    "VIR_ERR_NO_INTERFACE": 57,
    "VIR_ERR_INVALID_INTERFACE": 58,
    "VIR_ERR_MULTIPLE_INTERFACES": 59,
    "VIR_WAR_NO_NWFILTER": 60,
    "VIR_ERR_INVALID_NWFILTER": 61,
    "VIR_ERR_NO_NWFILTER": 62,
    "VIR_ERR_BUILD_FIREWALL": 63,
    "VIR_WAR_NO_SECRET": 64,
    "VIR_ERR_INVALID_SECRET": 65,
    "VIR_ERR_NO_SECRET": 66,
    "VIR_ERR_CONFIG_UNSUPPORTED": 67,
    "VIR_ERR_OPERATION_TIMEOUT": 68,
    "VIR_ERR_MIGRATE_PERSIST_FAILED": 69,
    "VIR_ERR_HOOK_SCRIPT_FAILED": 70,
    "VIR_ERR_INVALID_DOMAIN_SNAPSHOT": 71,
    "VIR_ERR_NO_DOMAIN_SNAPSHOT": 72,
    "VIR_ERR_INVALID_STREAM": 73,
    "VIR_ERR_ARGUMENT_UNSUPPORTED": 74,
    "VIR_ERR_STORAGE_PROBE_FAILED": 75,
    "VIR_ERR_STORAGE_POOL_BUILT": 76,
    "VIR_ERR_SNAPSHOT_REVERT_RISKY": 77,
    "VIR_ERR_OPERATION_ABORTED": 78,
    "VIR_ERR_AUTH_CANCELLED": 79,
    "VIR_ERR_NO_DOMAIN_METADATA": 80,
    "VIR_ERR_MIGRATE_UNSAFE": 81,
    "VIR_ERR_OVERFLOW": 82,
    "VIR_ERR_BLOCK_COPY_ACTIVE": 83,
    "VIR_ERR_OPERATION_UNSUPPORTED": 84,
    "VIR_ERR_SSH": 85,
    "VIR_ERR_AGENT_UNRESPONSIVE": 86,
    "VIR_ERR_RESOURCE_BUSY": 87,
    "VIR_ERR_ACCESS_DENIED": 88,
    "VIR_ERR_DBUS_SERVICE": 89,
    "VIR_ERR_STORAGE_VOL_EXIST": 90,
    "VIR_ERR_CPU_INCOMPATIBLE": 91,
    "VIR_ERR_XML_INVALID_SCHEMA": 92,
    "VIR_ERR_MIGRATE_FINISH_OK": 93,
    "VIR_ERR_AUTH_UNAVAILABLE": 94,
    "VIR_ERR_NO_SERVER": 95,
    "VIR_ERR_NO_CLIENT": 96,
    "VIR_ERR_AGENT_UNSYNCED": 97,
    "VIR_ERR_LIBSSH": 98,
    "VIR_ERR_DEVICE_MISSING": 99,
    "VIR_ERR_INVALID_NWFILTER_BINDING": 100,
    "VIR_ERR_NO_NWFILTER_BINDING": 101,
    "VIR_ERR_INVALID_DOMAIN_CHECKPOINT": 102,
    "VIR_ERR_NO_DOMAIN_CHECKPOINT": 103,
    "VIR_ERR_NO_DOMAIN_BACKUP": 104,
    "VIR_ERR_INVALID_NETWORK_PORT": 105,
    "VIR_ERR_NETWORK_PORT_EXIST": 106,
    "VIR_ERR_NO_NETWORK_PORT": 107,
    "VIR_ERR_NO_HOSTNAME": 108,
    "VIR_ERR_CHECKPOINT_INCONSISTENT": 109,
    "VIR_ERR_MULTIPLE_DOMAINS": 110,
    "VIR_ERR_NO_NETWORK_METADATA": 111,
    "VIR_ERR_AGENT_COMMAND_TIMEOUT": 112,
    "VIR_ERR_AGENT_COMMAND_FAILED": 113,
}

# Messages without a fixed beginning (35, 38 and others) are not among them.
BEGINNINGS: dict[str, int] = {
    "internal error:": 1,
    # Up to release 1.1 without a colon.
    "internal error ": 1,
    "no connection driver available": 5,
    "out of memory:": 2,
    "this function is not supported by the connection driver:": 3,
    # Up to release 0.9.
    "this function is not supported by the hypervisor:": 3,
    "invalid argument:": 8,
    "operation failed:": 9,
    "get operation failed:": 10,
    "post operation failed:": 11,
    "failed to serialize s-expr:": 13,
    "missing kernel information:": 17,
    "library call failed:": 26,
    "xml error:": 27,
    "operation forbidden:": 29,
    "configuration file syntax error:": 33,
    "failed to write configuration file:": 34,
    "failed to find the network:": 41,
    "domain not found:": 42,
    "network not found:": 43,
    "invalid mac address:": 44,
    "authentication failed:": 45,
    "failed to find a storage driver:": 48,
    "storage pool not found:": 49,
    "storage volume not found:": 50,
    "failed to find a node driver:": 51,
    "node device not found:": 53,
    "security model not found:": 54,
    "requested operation is not valid:": 55,
    "failed to find the interface:": 56,
    "interface not found:": 57,
    "multiple matching interfaces found:": 59,
    "failed to start the nwfilter driver:": 60,
    "invalid network filter:": 61,
    "network filter not found:": 62,
    "error while building firewall:": 63,
    "failed to find a secret storage driver:": 64,
    "invalid secret:": 65,
    "secret not found:": 66,
    "unsupported configuration:": 67,
    "timed out during operation:": 68,
    "failed to make domain persistent after migration:": 69,
    "hook script execution failed:": 70,
    "invalid domain snapshot:": 71,
    "invalid snapshot:": 71,
    "domain snapshot not found:": 72,
    "argument unsupported:": 74,
    "storage pool probe failed:": 75,
    "storage pool already built:": 76,
    "revert requires force:": 77,
    "operation aborted:": 78,
    "authentication cancelled:": 79,
    "metadata not found:": 80,
    "unsafe migration:": 81,
    "numerical overflow:": 82,
    "block copy still active:": 83,
    "operation not supported:": 84,
    "ssh transport error:": 85,
    "guest agent is not responding:": 86,
    "resource busy:": 87,
    "access denied:": 88,
    "error from service:": 89,
    "the cpu is incompatible with host cpu:": 91,
    "xml document failed to validate against schema:": 92,
    "migration successfully aborted:": 93,
    "authentication unavailable:": 94,
    "server not found:": 95,
    "client not found:": 96,
    "guest agent replied with wrong id to guest-sync command:": 97,
    "libssh transport error:": 98,
    "device not found:": 99,
    "invalid network filter binding:": 100,
    "network filter binding not found:": 101,
    "invalid domain checkpoint:": 102,
    "domain checkpoint not found:": 103,
    "domain backup job id not found:": 104,
    "invalid network port pointer:": 105,
    "network port not found:": 107,
    "no hostname found:": 108,
    "checkpoint inconsistent:": 109,
    "multiple matching domains found:": 110,
    "guest agent command timed out:": 112,
    "guest agent command failed:": 113,
    "invalid connection pointer in": 6,
    "invalid domain pointer in": 7,
    "invalid network pointer in": 36,
    "invalid storage pool pointer in": 46,
    "invalid storage volume pointer in": 47,
    "invalid node device pointer": 52,
    "invalid interface pointer in": 58,
    "invalid secret pointer": 65,
    "unknown procedure: ": 39,
}
# What is left of messages of which there is nothing more to tell, where it is no beginning.
_WHOLE: dict[str, int] = {
    "unknown host": 4,
    "unknown os type": 16,
    "missing root device information": 18,
    "missing source information for device": 19,
    "missing target information for device": 20,
    "missing name information": 21,
    "missing operating system information": 22,
    "missing devices information": 23,
    "too many drivers registered": 25,
    "library call failed, possibly not supported": 26,
    "xml description is invalid or not well formed": 27,
    "this domain exists already": 28,
    "operation forbidden for read only access": 29,
    "failed to open configuration file for reading": 30,
    "failed to read configuration file": 31,
    "failed to parse configuration file": 32,
    "this network exists already": 37,
    "this storage volume exists already": 90,
}
# What errno says in the same words.
_OF_ERRNO = ("invalid argument", "operation not supported")
_BARE = _WHOLE | {
    beginning[:-1]: number
    for beginning, number in BEGINNINGS.items()
    if beginning.endswith(":") and beginning[:-1] not in _OF_ERRNO
}
_LINES = 20
# What libvirt's macros say of an argument of a call: number 8, with no beginning of its own.
_OF_ARGUMENT = later(
    r"\bunsupported flags \(0x[0-9a-f]{1,16}\) in function \w"
    r"|\b\w{1,40} in (?:function )?[a-z]{2,12}[A-Z]\w{2,60} (?:must|only accepts|is too large)\b"
    r"|\bflags '?[A-Z_]{4,60}'? and '?[A-Z_]{4,60}'? (?:in \w{1,60} )?are mutually exclusive"
    r"|\bmetadata title can't\b|\buse of flags requires\b|\bncpus must be\b"
    r"|\bsize must not exceed\b"
    r"|\bmust match (?:stream )?connection\b|\b(?:server|scheme) (?:from|in) dconnuri\b"
)
_INVALID_ARGUMENT = "8"
_SYSTEM_ERROR = "38"
# How Go's and other bindings print an error.
_PRINTED = later(
    r"\bvirError\(Code=([1-9]\d{0,2}),\s{0,12}Domain=|\[Code-([1-9]\d{0,2})\] \[Domain-\d"
)
_IN_MESSAGE = later(
    r"(?:^|: '?|\n|='|\berror {1,8}|[`\"*>\uff1a\u201c] {0,2}|(?<=\d)\] )("
    + "|".join(map(re.escape, BEGINNINGS))
    + ")",
    re.IGNORECASE,
)

# What is told of, behind those that name it without a colon.
_OF_WHAT = r"(?:(?<=device)|(?<=os type)|(?<=host)|(?<=information) (?:in|for)) \S[^\n]{0,300}"
# A line that is one of them, also behind the name of what it is or of what tells it.
_BARE_LINE = later(
    r"^(?:[^\n]{0,120}(?:error|failed|libvirtd(?:\[\d{1,9}\])?) ?: (?:\w{1,80}:\d{1,6} : )?)?("
    + "|".join(map(re.escape, _BARE))
    + rf")(?:{_OF_WHAT})?\.?\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def number_in_message(message: str) -> str:
    """The number that a message names by its beginning, in any language; or "".

    A line pasted from a log often lacks it.
    """
    printed = _PRINTED.search(message[:20_000])
    if printed is not None:
        return printed[1] or printed[2]
    beginnings = list(_IN_MESSAGE.finditer(message[:20_000]))
    if beginnings:
        return str(BEGINNINGS[_with_words(message, beginnings)[1].lower()])
    if _OF_ARGUMENT.search(message[:20_000]) is not None:
        return _INVALID_ARGUMENT
    bare = _BARE_LINE.search(message[:20_000])
    if bare is not None:
        return str(_BARE[bare[1].lower()])
    numbers = (recognised(line).number for line in message.splitlines()[:_LINES])
    number = next((str(number) for number in numbers if number), "")
    if not number and ends_in_errno(message.rstrip()[-200:].lower()):
        # No other kind of message ends so without a beginning of its own.
        return _SYSTEM_ERROR
    return number


def _with_words(message: str, beginnings: Sequence[re.Match[str]]) -> re.Match[str]:
    """The first of ``beginnings`` behind which its line goes on, if there is one."""
    said = (one for one in beginnings if message[one.end() :].partition("\n")[0].strip(" '\"."))
    return next(said, beginnings[0])
