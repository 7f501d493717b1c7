"""Where the volumes of a pool on the network are, and what a disk says of one.

Their paths (``pool/image``) open nothing. libvirt 9.0 resolves ``<source pool= volume=>`` itself
for pools of type iscsi-direct, with hosts and credentials; of rbd, gluster and sheepdog it says
that this "isn't yet supported" (``virDomainDiskTranslateSourcePool``): a disk must name the hosts,
and refer to the secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from virtcim.toolstack.reading.disk_source import disk_sources
from virtcim.toolstack.reading.elements import NONE, children_of

__all__ = ["PoolSource", "read_pool_source"]

# Pool types, and the protocol of libvirt's network disks that their volumes are.
_PROTOCOLS = {"rbd": "rbd", "gluster": "gluster", "sheepdog": "sheepdog", "iscsi-direct": "iscsi"}
# Those whose volumes a disk names by pool and volume.
_RESOLVED = frozenset({"iscsi"})
# The ports that libvirt writes where a disk says none; of rbd it has none.
_PORTS = {"gluster": "24007", "sheepdog": "7000", "iscsi": "3260"}
_SECRET_TYPES = {"rbd": "ceph", "iscsi": "iscsi"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSource:
    """``<source>`` of a pool on the network; ``place`` is what the names of images begin with.

    ``auth`` and ``secret`` are attributes of ``<auth>`` and of the ``<secret>`` in it, which only
    refers to a secret that libvirt keeps.
    """

    protocol: str
    place: str
    hosts: tuple[Mapping[str, str], ...]
    auth: Mapping[str, str]
    secret: Mapping[str, str]

    @property
    def is_resolved(self) -> bool:
        """Whether libvirt itself finds a volume by the names of its pool and itself."""
        return self.protocol in _RESOLVED

    def name(self, volume: str) -> str:
        """Give the name of a volume as ``<source protocol= name=>`` has it."""
        # A volume of iSCSI is called unit:0:0:<LUN>.
        own = volume.rpartition(":")[2] if self.protocol == "iscsi" else volume
        return f"{self.place}{own}"

    def uris(self, volume: str) -> tuple[str, ...]:
        """Give where a volume is, as disks that are on it show it: one URI for each host."""
        return self._uris(self.name(volume))

    @property
    def places(self) -> tuple[str, ...]:
        """The URIs that those of all volumes begin with."""
        return self._uris(self.place.rstrip("/"))

    def _uris(self, name: str) -> tuple[str, ...]:
        source = Element("source", {"protocol": self.protocol, "name": name})
        for host in self.hosts:
            SubElement(source, "host", dict(host))
        return disk_sources("network", source)


def read_pool_source(kind: str, source: Element | None) -> PoolSource | None:
    """Read ``<source>`` of a pool of type ``kind``; None for pools that are not on the network."""
    protocol = _PROTOCOLS.get(kind)
    if protocol is None or source is None:
        return None
    children = children_of(source)
    place = source.findtext("name") or ""
    if protocol == "gluster":
        directory = children.get("dir", NONE).get("path", "").strip("/")
        place = f"{place}/{directory}" if directory else place
    elif protocol == "iscsi":
        place = children.get("device", NONE).get("path", "")
    elif protocol == "sheepdog":
        place = ""  # its images have no place but the cluster
    port = {"port": _PORTS[protocol]} if protocol in _PORTS else {}
    auth = children.get("auth", NONE)
    reference = auth.find("secret")
    secret = {} if reference is None else dict(reference.attrib)
    user = auth.get("username", "")
    return PoolSource(
        protocol=protocol,
        place=f"{place}/" if place else "",
        hosts=tuple({**port, **host.attrib} for host in source.findall("host")),
        auth={"username": user} if user else {},
        secret={"type": _SECRET_TYPES.get(protocol, ""), **secret} if user and secret else {},
    )
