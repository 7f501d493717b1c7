"""What rules look at in a fault: its text in searchable form, its operation's groups, its errno."""

from __future__ import annotations

import errno
import re

from virtcim.errormap.fault import Fault
from virtcim.errormap.operations import groups_of
from virtcim.errormap.reading.text import as_integer, searched

__all__ = ["Facts"]

# The texts of glibc in the C locale; sources print them instead of the number.
_STRERROR = {
    "operation not permitted": "EPERM",
    "no such file or directory": "ENOENT",
    "no such process": "ESRCH",
    "interrupted system call": "EINTR",
    "input/output error": "EIO",
    "no such device or address": "ENXIO",
    "argument list too long": "E2BIG",
    "bad file descriptor": "EBADF",
    "no child processes": "ECHILD",
    "resource temporarily unavailable": "EAGAIN",
    "cannot allocate memory": "ENOMEM",
    "permission denied": "EACCES",
    "device or resource busy": "EBUSY",
    "file exists": "EEXIST",
    "no such device": "ENODEV",
    "not a directory": "ENOTDIR",
    "is a directory": "EISDIR",
    "invalid argument": "EINVAL",
    "too many open files": "EMFILE",
    "text file busy": "ETXTBSY",
    "file too large": "EFBIG",
    "no space left on device": "ENOSPC",
    "read-only file system": "EROFS",
    "broken pipe": "EPIPE",
    "numerical result out of range": "ERANGE",
    "file name too long": "ENAMETOOLONG",
    "function not implemented": "ENOSYS",
    "directory not empty": "ENOTEMPTY",
    "too many levels of symbolic links": "ELOOP",
    "protocol error": "EPROTO",
    "operation not supported": "EOPNOTSUPP",
    "address already in use": "EADDRINUSE",
    "cannot assign requested address": "EADDRNOTAVAIL",
    "network is down": "ENETDOWN",
    "network is unreachable": "ENETUNREACH",
    "software caused connection abort": "ECONNABORTED",
    "connection reset by peer": "ECONNRESET",
    "transport endpoint is not connected": "ENOTCONN",
    "connection timed out": "ETIMEDOUT",
    "connection refused": "ECONNREFUSED",
    "no route to host": "EHOSTUNREACH",
    "host is down": "EHOSTDOWN",
    "stale file handle": "ESTALE",
    "stale nfs file handle": "ESTALE",
    "disk quota exceeded": "EDQUOT",
    "no medium found": "ENOMEDIUM",
    "wrong medium type": "EMEDIUMTYPE",
}
# A longer text goes before the one it contains: "no such device" is part of another.
_PHRASES = sorted(_STRERROR, key=len, reverse=True)
_NAMES = {name.lower(): name for name in errno.errorcode.values()}
_NAME = re.compile(r"\be[a-z0-9]{2,14}\b")
_NUMBER = re.compile(r"\[errno ([0-9]{1,4})\]")
# xend prints what the hypervisor library raised: (errno, text), or (libxc code, text, detail).
_TUPLE = re.compile(r"\((?P<number>[0-9]{1,4}), (?:'[^']{0,300}'|\"[^\"]{0,300}\")\)")
# int1 is an errno where the number is VIR_ERR_SYSTEM_ERROR, or where nobody knows the number.
_WITH_ERRNO = ("38", "")


class Facts:
    """One fault as the rules see it; everything costly is worked out at most once."""

    __slots__ = ("_errnos", "_groups", "_text", "fault")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._text: str | None = None
        self._groups: frozenset[str] | None = None
        self._errnos: frozenset[str] | None = None

    @property
    def original(self) -> str:
        """The source's own text, with the arguments where they are prose."""
        fault = self.fault
        if fault.source == "xapi":
            return "\n".join(fault.arguments)
        return fault.text

    @property
    def text(self) -> str:
        """The text that patterns are held against."""
        if self._text is None:
            self._text = searched(self.original)
        return self._text

    @property
    def groups(self) -> frozenset[str]:
        """The groups of the operation, as ``@boot``."""
        if self._groups is None:
            self._groups = groups_of(self.fault.operation)
        return self._groups

    @property
    def errnos(self) -> frozenset[str]:
        """Symbolic errno names: from the number where the source gives it, else from the text."""
        if self._errnos is None:
            name = errno.errorcode.get(self._errno_number())
            self._errnos = frozenset([name] if name else self._errnos_in_text())
        return self._errnos

    def _errno_number(self) -> int:
        fault = self.fault
        given: int | None = None
        if fault.source == "libvirt" and fault.code in _WITH_ERRNO and len(fault.arguments) > 3:
            given = as_integer(fault.arguments[3])
        elif fault.source == "transport" and len(fault.arguments) > 2:
            given = as_integer(fault.arguments[2])
        elif fault.source == "xend" and (printed := _TUPLE.search(self.text)):
            given = int(printed["number"])
        return given or 0

    def _errnos_in_text(self) -> set[str]:
        text = self.text
        found = set()
        for phrase in _PHRASES:
            if phrase in text:
                found.add(_STRERROR[phrase])
                text = text.replace(phrase, "\n")
        found |= {_NAMES[word] for word in _NAME.findall(text) if word in _NAMES}
        for number in _NUMBER.findall(text):
            found.add(errno.errorcode.get(int(number), "EINVAL"))
        return found
