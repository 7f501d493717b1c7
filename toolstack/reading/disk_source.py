"""Where the image of a disk is: a plain path on the host, else URIs (RFC 3986), one for each host.

The URIs are QEMU's where it has one for the protocol (``nbd+unix:///export?socket=/run/nbd``),
and never hold a secret: the text is shown to whoever may read the machine.
"""

from __future__ import annotations

import re
from urllib.parse import quote
from xml.etree.ElementTree import Element

from virtcim.toolstack.reading.elements import NONE, children_of, pci_address
from virtcim.toolstack.reading.uris import QUERY_CHARACTERS, uri_host, uri_path, uri_value

__all__ = ["disk_sources"]

_PATHS = {"file": "file", "block": "dev", "dir": "dir"}
# libvirt passes a query on as it is: it is encoded already.
_ENCODED_QUERY = f"{QUERY_CHARACTERS}%"
_SECRET = re.compile(
    r"((?:^|[&;])(?:[^=&;]*(?:passw|pwd|secret|token|signature|credential)[^=&;]*|sig|auth|pass|"
    r"(?:(?:api|access|account|auth|private|shared)[-_]?)?key)=)[^&;]*",
    re.IGNORECASE,
)
# librados takes options after the name of an image, among them the key itself.
_RBD_SECRET = re.compile(r"(:(?:key|keyring|password-secret)=)[^:]*", re.IGNORECASE)
_HIDDEN = "..."


def disk_sources(kind: str, source: Element | None) -> tuple[str, ...]:
    """Give the sources of a disk of type ``kind``; none where there is no medium."""
    if source is None:
        return ()
    if kind in _PATHS:
        path = source.get(_PATHS[kind])
        return (path,) if path else ()
    if kind == "network":
        return _network_sources(source)
    if kind == "volume":
        pool, volume = source.get("pool", ""), source.get("volume", "")
        return (f"volume:///{uri_path(pool)}/{uri_path(volume)}",) if volume else ()
    if kind == "nvme":
        address = source.find("address")
        if address is None:
            return ()
        namespace = source.get("namespace", "")
        # libvirt leaves a drive where it is unless it is told to manage it.
        query = "" if source.get("managed") == "yes" else "?managed=no"
        return (f"nvme:///{pci_address(address)}/{uri_path(namespace)}{query}",)
    # A local socket or character device: vhostuser, vhostvdpa, and what is still to come.
    path = next((source.get(name, "") for name in ("path", "dev", "file") if source.get(name)), "")
    reconnect = children_of(source).get("reconnect", NONE)
    seconds = reconnect.get("timeout", "") if reconnect.get("enabled") == "yes" else ""
    query = f"?reconnect={uri_value(seconds)}" if seconds else ""
    return (f"{kind}://{uri_path(path)}{query}",) if path else ()


def _network_sources(source: Element) -> tuple[str, ...]:
    children = children_of(source)
    protocol = source.get("protocol", "")
    name = source.get("name", "")
    if protocol == "rbd":
        name = _RBD_SECRET.sub(rf"\1{_HIDDEN}", name)
    path = uri_path(name)
    if path and not path.startswith("/"):
        path = f"/{path}"
    queries = []
    if query := source.get("query"):
        queries.append(quote(_SECRET.sub(rf"\1{_HIDDEN}", query), safe=_ENCODED_QUERY))
    # Another snapshot is another image, and so is one of another cluster.
    for tag, attribute in (("snapshot", "name"), ("config", "file")):
        if value := children.get(tag, NONE).get(attribute):
            queries.append(f"{tag}={uri_value(value)}")
    hosts = source.findall("host") or [NONE]
    return tuple(_network_uri(protocol, host, path, queries) for host in hosts)


def _network_uri(protocol: str, host: Element, path: str, queries: list[str]) -> str:
    transport = host.get("transport", "tcp")
    scheme = protocol if transport == "tcp" else f"{protocol}+{transport}"
    authority = uri_host(host.get("name", ""))
    if port := host.get("port"):
        authority += f":{port}"
    if socket := host.get("socket"):
        queries = [*queries, f"socket={uri_value(socket)}"]
    query = f"?{'&'.join(queries)}" if queries else ""
    if query and not path:
        path = "/"
    return f"{scheme}://{authority}{path}{query}"
