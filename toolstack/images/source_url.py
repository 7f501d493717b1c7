"""URLs of images on the network (``nbd://``, ``iscsi://``, ``rbd://``, ``https://`` ...)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["SourceUrl", "SourceUrlError", "parse_source_url"]

# libvirt's protocols of network disks, and the port that each has by default.
_PORTS = {
    "nbd": 10809,
    "iscsi": 3260,
    "rbd": 6789,
    "gluster": 24007,
    "sheepdog": 7000,
    "http": 80,
    "https": 443,
    "ftp": 21,
    "ftps": 990,
    "tftp": 69,
    "ssh": 22,
    "nfs": 2049,
}
_TRANSPORTS = frozenset({"tcp", "unix", "rdma"})
_SAFE = re.compile(r"[!-\[\]-~]*")
_WEB = frozenset({"http", "https"})
# Protocols whose names of images keep the slash that they begin with.
_WHOLE_PATH = frozenset({"http", "https", "ftp", "ftps", "tftp", "ssh", "nfs"})
# What stands for a secret where a source is shown.
_HIDDEN = "..."


class SourceUrlError(ValueError):
    """The text is no URL of an image; the message says why in half a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUrl:
    """A URL in parts, decoded; ``path`` begins with a slash or is empty, ``port`` is never 0."""

    protocol: str
    transport: str
    host: str
    port: int
    has_port: bool = True  # it was given, and is not the protocol's own
    path: str
    socket: str = ""  # of this host, with the transport unix
    query: str = ""  # of a web server, as it is

    def lies_under(self, prefix: SourceUrl) -> bool:
        """Whether it is what ``prefix`` stands for, or below: compared segment by segment."""
        own, other = self._place, prefix._place
        if own[:-1] != other[:-1]:
            return False
        segments, wanted = own[-1].split("/"), other[-1].rstrip("/").split("/")
        return segments[: len(wanted)] == wanted

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes of libvirt's ``<source>``."""
        whole = self.protocol in _WHOLE_PATH
        name = self.path if whole else self.path.removeprefix("/")
        found = {"protocol": self.protocol, "name": name, "query": self.query}
        return {key: value for key, value in found.items() if value}

    @property
    def host_attributes(self) -> Mapping[str, str]:
        """The attributes of ``<host>`` in it."""
        if self.transport == "unix":
            return {"transport": "unix", "socket": self.socket}
        host = {"name": self.host}
        if self.has_port:
            host["port"] = str(self.port)
        return host if self.transport == "tcp" else {**host, "transport": self.transport}

    @property
    def _place(self) -> tuple[str, str, str, int, str]:
        return self.protocol, self.transport, self.host, self.port, self.path


def parse_source_url(text: str) -> SourceUrl:
    """Read the URL of an image on the network, or the beginning of such URLs.

    Raises SourceUrlError for what could be read in two ways, too.
    """
    if not _SAFE.fullmatch(text):
        raise SourceUrlError("contains characters that no URL has")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise SourceUrlError(f"is no URL: {error}") from error
    protocol, _, transport = parts.scheme.partition("+")
    if protocol not in _PORTS or (transport or "tcp") not in _TRANSPORTS:
        raise SourceUrlError(f"must begin with one of {', '.join(f'{name}://' for name in _PORTS)}")
    if not text[len(parts.scheme) :].startswith("://"):
        raise SourceUrlError("has no // after its scheme")
    if "@" in parts.netloc:
        raise SourceUrlError("holds the name of a user: secrets are libvirt's to keep")
    if parts.fragment:
        raise SourceUrlError("has a fragment")
    transport = transport or "tcp"
    if transport != "unix" and not parts.hostname:
        raise SourceUrlError("names no host")
    return SourceUrl(
        protocol=protocol,
        transport=transport,
        host=_host(parts),
        port=port or _PORTS[protocol],
        has_port=bool(port),
        path=_path(protocol, parts.path),
        socket=_socket(parts.query) if transport == "unix" else "",
        query=_query(protocol, parts.query) if transport != "unix" else "",
    )


def _host(parts: SplitResult) -> str:
    host = unquote(parts.hostname or "")
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


def _path(protocol: str, encoded: str) -> str:
    path = unquote(encoded)
    if any(segment in {".", ".."} for segment in path.split("/")):
        raise SourceUrlError("has . or .. in its path")
    # Whoever decodes it once more must not find another path.
    if "%" in path or "\\" in path or not path.isprintable():
        raise SourceUrlError("has characters in its path that can be read in two ways")
    if protocol == "rbd" and (":" in path or "@" in path):
        raise SourceUrlError("has options in its path")
    return path


def _socket(query: str) -> str:
    """Read ``socket=/path``; empty where a prefix has none."""
    name, _, path = query.partition("=")
    if query and (name != "socket" or "&" in path or not path.startswith("/")):
        raise SourceUrlError("has something else than a socket in its query")
    return unquote(path)


def _query(protocol: str, query: str) -> str:
    if query and protocol not in _WEB:
        raise SourceUrlError("has a query")
    if _HIDDEN in query:
        raise SourceUrlError("has a secret in its query that is not shown")
    return query
