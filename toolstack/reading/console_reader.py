"""Graphics, serial lines and consoles of a running domain that can be opened now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

from virtcim.toolstack.reading.elements import NONE, children_of
from virtcim.toolstack.reading.views import ConsoleView

__all__ = ["read_consoles"]

# libvirt's types of graphics that can be reached from outside, and XenAPI's protocols.
_GRAPHICS = {"vnc": "rfb", "spice": "spice", "rdp": "rdp"}
# Types of a character device whose other end is a path on the host.
_LOCAL = frozenset({"pty", "dev", "pipe"})
_LOOPBACK = "127.0.0.1"


def read_consoles(devices: Mapping[str, Sequence[Element]]) -> tuple[ConsoleView, ...]:
    """Read the consoles among the devices of a domain (elements by their tag).

    A log file is no console. libvirt writes the first serial line down as a console as well.
    """
    serial = devices.get("serial", ())
    consoles = devices.get("console", ())
    if serial:
        consoles = [each for each in consoles if _target(each).get("type") != "serial"]
    return (
        *_graphics(devices.get("graphics", ())),
        *_character_devices("serial", serial),
        *_character_devices("console", consoles),
    )


def _target(element: Element) -> Element:
    target = element.find("target")
    return NONE if target is None else target


def _graphics(elements: Iterable[Element]) -> Iterable[ConsoleView]:
    counts: defaultdict[str, int] = defaultdict(int)
    for element in elements:
        kind = element.get("type", "")
        if kind not in _GRAPHICS:
            continue
        number = counts[kind]
        counts[kind] += 1
        address = _graphics_address(kind, element)
        if address is not None:
            yield ConsoleView(id=f"{kind}{number}", protocol=_GRAPHICS[kind], **address)


def _graphics_address(kind: str, element: Element) -> dict[str, str] | None:
    """Give where graphics listen; None where they do not (yet)."""
    listen = element.find("listen")
    listen = NONE if listen is None else listen
    socket = element.get("socket") or listen.get("socket")
    if socket:
        return {"scheme": f"{kind}+unix", "path": socket}
    if listen.get("type") == "none":
        return None
    port = _port(element.get("port"))
    tls_port = _port(element.get("tlsPort"))
    if not (port or tls_port):
        return None
    host = listen.get("address") or element.get("listen") or _LOOPBACK
    query = f"tls-port={tls_port}" if tls_port else ""
    return {"scheme": kind, "host": host, "port": port, "query": query}


def _port(text: str | None) -> str:
    """Give a port, empty where none was chosen yet (libvirt writes -1)."""
    return text if text is not None and text.isdigit() and text != "0" else ""


def _character_devices(tag: str, elements: Iterable[Element]) -> Iterable[ConsoleView]:
    taken: set[str] = set()
    for position, element in enumerate(elements):
        target = _target(element)
        # libvirt numbers the ports of each type of target.
        number = target.get("port", str(position))
        names = (f"{tag}{number}", f"{tag}-{target.get('type')}{number}", f"{tag}-{position}")
        identity = next(name for name in names if name not in taken)
        address = _character_address(element.get("type", ""), element)
        if address is not None:
            taken.add(identity)
            yield ConsoleView(id=identity, protocol="vt100", **address)


def _character_address(kind: str, element: Element) -> dict[str, str] | None:
    """Give where the other end of a character device is; None where nothing can be opened.

    In mode ``connect`` QEMU itself calls somebody who listens there.
    """
    if kind in _LOCAL:
        source = children_of(element).get("source", NONE)
        path = source.get("path") or element.get("tty", "")
        scheme = "pipe" if kind == "pipe" else "file"
        return {"scheme": scheme, "path": path} if path else None
    sources: list[Element] = element.findall("source")
    if kind == "unix":
        path = next((each.get("path", "") for each in sources), "")
        return {"scheme": "unix", "path": path} if path else None
    if kind not in ("tcp", "udp"):
        return None
    # A datagram socket has two addresses: its own, and where it sends to.
    own = [each for each in sources if each.get("mode") == "bind"]
    source = next(iter(own or sources), NONE)
    port = _port(source.get("service"))
    if not port:
        return None
    protocol = children_of(element).get("protocol", NONE).get("type", "raw")
    scheme = protocol if kind == "tcp" and protocol != "raw" else kind
    if source.get("tls") == "yes":
        scheme = f"{scheme}+tls"
    return {"scheme": scheme, "host": source.get("host") or _LOOPBACK, "port": port}
