"""URLs of images that are no files of the host: on the network (``nbd://``, ``rbd://``,
``https://`` ...), on an NVMe drive (``nvme://``), behind a vhost-user socket (``vhostuser://``).

They are what is shown of the disks that machines have: a URL that is sent back means the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["SourceUrl", "SourceUrlError", "parse_image_url", "parse_source_url"]

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
# libvirt's types of disks that are no network disks, and are on no other host.
_LOCAL = frozenset({"nvme", "vhostuser"})
# Where Ceph's own configuration can say what the hosts are.
_WITHOUT_HOST = _LOCAL | {"rbd"}
_TRANSPORTS = frozenset({"tcp", "unix", "rdma"})
# What the query of a URL may say besides the socket of the transport unix.
_OPTIONS = {"rbd": ("snapshot", "config"), "nvme": ("managed",), "vhostuser": ("reconnect",)}
_PATHS = frozenset({"socket", "config"})
_NVME_PATH = re.compile(r"(?:/[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?:/[1-9][0-9]*)?)?/?")
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
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
    snapshot: str = ""  # of an image in RBD
    config: str = ""  # of this host: what says where the cluster of RBD is
    managed: bool = True  # libvirt takes the NVMe drive from the host and gives it back
    reconnect_s: int = 0  # after how long QEMU connects again to a vhost-user socket; 0: never

    def is_image_of(self, other: SourceUrl) -> bool:
        """Whether it is the image that ``other`` is, on whatever host."""
        return self.kind == other.kind == "network" and (
            (self.attributes, self.children) == (other.attributes, other.children)
        )

    @property
    def kind(self) -> str:
        """The ``type`` of libvirt's ``<disk>``."""
        return self.protocol if self.protocol in _LOCAL else "network"

    @property
    def local_paths(self) -> tuple[str, ...]:
        """The files of this host that the source names."""
        own = self.path if self.protocol == "vhostuser" else ""
        return tuple(filter(None, (own, self.socket, self.config)))

    @property
    def has_options(self) -> bool:
        """Whether it says more than where images are, as no beginning of URLs does."""
        return bool(self.snapshot or self.config or self.reconnect_s or not self.managed)

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
        if self.protocol == "nvme":
            managed = "yes" if self.managed else "no"
            return {"type": "pci", "managed": managed, "namespace": self.nvme_drive[1]}
        if self.protocol == "vhostuser":
            return {"type": "unix", "path": self.path}
        whole = self.protocol in _WHOLE_PATH
        name = self.path if whole else self.path.removeprefix("/")
        found = {"protocol": self.protocol, "name": name, "query": self.query}
        return {key: value for key, value in found.items() if value}

    @property
    def children(self) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """The elements in ``<source>``, but for its hosts: their tags and attributes."""
        found: dict[str, Mapping[str, str]] = {}
        if self.snapshot:
            found["snapshot"] = {"name": self.snapshot}
        if self.config:
            found["config"] = {"file": self.config}
        if self.reconnect_s:
            found["reconnect"] = {"enabled": "yes", "timeout": str(self.reconnect_s)}
        if self.protocol == "nvme":
            domain, bus, slot, function = re.split("[:.]", self.nvme_drive[0])
            found["address"] = {
                "domain": f"0x{domain}",
                "bus": f"0x{bus}",
                "slot": f"0x{slot}",
                "function": f"0x{function}",
            }
        return tuple(found.items())

    @property
    def nvme_drive(self) -> tuple[str, str]:
        """The PCI address of the drive, and the number of the namespace."""
        address, _, namespace = self.path.strip("/").partition("/")
        return address, namespace

    @property
    def host_attributes(self) -> Mapping[str, str]:
        """The attributes of ``<host>`` in it; none where the hosts are said elsewhere."""
        if self.kind != "network" or (self.transport != "unix" and not self.host):
            return {}
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
    known = protocol in _PORTS and (transport or "tcp") in _TRANSPORTS
    if not known and (protocol not in _LOCAL or transport):
        names = ", ".join(f"{name}://" for name in (*_PORTS, *sorted(_LOCAL)))
        raise SourceUrlError(f"must begin with one of {names}")
    if not text[len(parts.scheme) :].startswith("://"):
        raise SourceUrlError("has no // after its scheme")
    if "@" in parts.netloc:
        raise SourceUrlError("holds the name of a user: secrets are libvirt's to keep")
    if parts.fragment:
        raise SourceUrlError("has a fragment")
    transport = transport or "tcp"
    if transport != "unix" and not parts.hostname and protocol not in _WITHOUT_HOST:
        raise SourceUrlError("names no host")
    if protocol in _LOCAL and parts.netloc:
        raise SourceUrlError("names a host, and is on this one")
    options = _options(protocol, transport, parts.query)
    return SourceUrl(
        protocol=protocol,
        transport=transport,
        host=_host(parts),
        port=port or _PORTS.get(protocol, 0),
        has_port=bool(port),
        path=_path(protocol, parts.path),
        socket=options.get("socket", ""),
        query=_query(protocol, parts.query) if transport != "unix" else "",
        snapshot=options.get("snapshot", ""),
        config=options.get("config", ""),
        managed=options.get("managed", "yes") == "yes",
        reconnect_s=int(options.get("reconnect", "0")),
    )


def parse_image_url(text: str) -> SourceUrl:
    """Read the URL of one image; otherwise as ``parse_source_url``."""
    url = parse_source_url(text)
    if url.protocol == "nvme" and not url.nvme_drive[1]:
        raise SourceUrlError("names no namespace of an NVMe drive")
    if url.protocol == "vhostuser" and url.path in {"", "/"}:
        raise SourceUrlError("names no socket")
    return url


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
    if protocol == "nvme":
        path = path.lower()
        if not _NVME_PATH.fullmatch(path):
            raise SourceUrlError("names no NVMe drive, as nvme:///0000:01:00.0/1 does")
    return path


def _options(protocol: str, transport: str, query: str) -> Mapping[str, str]:
    """Read ``name=value&name=value``; a prefix has none."""
    if protocol in _WEB and transport != "unix":
        return {}
    known = (*_OPTIONS.get(protocol, ()), *(("socket",) if transport == "unix" else ()))
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in known or name in found:
            what = " and ".join(known) or "nothing"
            raise SourceUrlError(f"has something else in its query than {what}, once each")
        found[name] = _option(name, unquote(value))
    return found


def _option(name: str, value: str) -> str:
    """Give back the value of an option, or refuse it."""
    odd = "%" in value or "\\" in value or not value.isprintable()
    if not value or odd or (name in _PATHS and not value.startswith("/")):
        raise SourceUrlError(f"has no {name} that can be read in one way only")
    if name == "snapshot" and any(character in value for character in ":/@"):
        raise SourceUrlError("has options in the name of its snapshot")
    if name == "managed" and value not in {"yes", "no"}:
        raise SourceUrlError("must say managed=yes or managed=no")
    if name == "reconnect" and not _SECONDS.fullmatch(value):
        raise SourceUrlError("must say after how many seconds to reconnect")
    return value


def _query(protocol: str, query: str) -> str:
    """Give the query of a web server; others have options."""
    if protocol not in _WEB:
        return ""
    if _HIDDEN in query:
        raise SourceUrlError("has a secret in its query that is not shown")
    return query
