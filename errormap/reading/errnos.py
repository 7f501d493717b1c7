"""The errno that a text prints: by its C locale words, by its name, or as ``[Errno 2]``."""

from __future__ import annotations

import errno
import re

from virtcim.errormap.patterns import later

__all__ = ["ends_in_errno", "errnos_in", "named", "without_phrases"]

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
    "bad address": "EFAULT",
    "device or resource busy": "EBUSY",
    "file exists": "EEXIST",
    "no such device": "ENODEV",
    "not a directory": "ENOTDIR",
    "is a directory": "EISDIR",
    "invalid argument": "EINVAL",
    "too many open files": "EMFILE",
    "inappropriate ioctl for device": "ENOTTY",
    "text file busy": "ETXTBSY",
    "file too large": "EFBIG",
    "no space left on device": "ENOSPC",
    "illegal seek": "ESPIPE",
    "read-only file system": "EROFS",
    "broken pipe": "EPIPE",
    "numerical result out of range": "ERANGE",
    "file name too long": "ENAMETOOLONG",
    "function not implemented": "ENOSYS",
    "directory not empty": "ENOTEMPTY",
    "too many levels of symbolic links": "ELOOP",
    "protocol error": "EPROTO",
    "value too large for defined data type": "EOVERFLOW",
    "operation not supported": "EOPNOTSUPP",
    "address already in use": "EADDRINUSE",
    "cannot assign requested address": "EADDRNOTAVAIL",
    "network is down": "ENETDOWN",
    "network is unreachable": "ENETUNREACH",
    "software caused connection abort": "ECONNABORTED",
    "connection reset by peer": "ECONNRESET",
    "no buffer space available": "ENOBUFS",
    "transport endpoint is already connected": "EISCONN",
    "transport endpoint is not connected": "ENOTCONN",
    "cannot send after transport endpoint shutdown": "ESHUTDOWN",
    "connection timed out": "ETIMEDOUT",
    "connection refused": "ECONNREFUSED",
    "no route to host": "EHOSTUNREACH",
    "host is down": "EHOSTDOWN",
    "stale file handle": "ESTALE",
    "stale nfs file handle": "ESTALE",
    "disk quota exceeded": "EDQUOT",
    "no medium found": "ENOMEDIUM",
    "wrong medium type": "EMEDIUMTYPE",
    "operation canceled": "ECANCELED",
    "too many links": "EMLINK",
    "invalid cross-device link": "EXDEV",
    "block device required": "ENOTBLK",
    "no locks available": "ENOLCK",
    "no data available": "ENODATA",
    "message too long": "EMSGSIZE",
    "destination address required": "EDESTADDRREQ",
    "protocol not supported": "EPROTONOSUPPORT",
    "socket type not supported": "ESOCKTNOSUPPORT",
    "address family not supported by protocol": "EAFNOSUPPORT",
    "operation already in progress": "EALREADY",
    "operation now in progress": "EINPROGRESS",
    "structure needs cleaning": "EUCLEAN",
    "invalid or incomplete multibyte or wide character": "EILSEQ",
    "required key not available": "ENOKEY",
    "too many users": "EUSERS",
    # What Windows says.
    "the system cannot find the file specified": "ENOENT",
    "the system cannot find the path specified": "ENOENT",
    "access is denied": "EACCES",
    "being used by another process": "EBUSY",
    "there is not enough space on the disk": "ENOSPC",
    "target machine actively refused it": "ECONNREFUSED",
    "only one usage of each socket address": "EADDRINUSE",
}
# A longer text goes before the one it contains: "no such device" is part of another.
_PHRASE = later("|".join(sorted(map(re.escape, _STRERROR), key=len, reverse=True)))
_LAST = later(r": (?:" + "|".join(map(re.escape, _STRERROR)) + r")\W{0,4}$")
_NAMES = {name.lower(): name for name in errno.errorcode.values()}
_NAME = later(r"\be[a-z0-9]{2,14}\b")
_NUMBER = later(r"\[errno ([0-9]{1,4})\]")


def errnos_in(text: str) -> frozenset[str]:
    """The symbolic names of every errno that ``text`` (in lower case) prints."""
    found = {_STRERROR[phrase] for phrase in _PHRASE.findall(text)}
    found.update(_NAMES[word] for word in _NAME.findall(text) if word in _NAMES)
    found.update(named(int(number)) or "EINVAL" for number in _NUMBER.findall(text))
    return frozenset(found)


def ends_in_errno(text: str) -> bool:
    """Whether ``text`` (in lower case) ends with the words of an errno, as system errors do."""
    return _LAST.search(text[-200:]) is not None


def without_phrases(text: str) -> str:
    """``text`` (in lower case) without the words of errno: they say how, and name no object."""
    return _PHRASE.sub(" ", text)


def named(number: int) -> str:
    """The symbolic name of an errno; empty where there is none of that number."""
    return errno.errorcode.get(number, "")
