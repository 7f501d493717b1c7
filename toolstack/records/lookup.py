"""What libvirt calls the objects that clients name by reference."""

from __future__ import annotations

from virtcim.toolstack.database import Database
from virtcim.toolstack.records.departed import DepartedImages
from virtcim.toolstack.records.network_records import NetworkRecords
from virtcim.toolstack.records.storage_index import StorageIndex
from virtcim.toolstack.records.storage_records import StorageRecords

__all__ = ["Lookup"]


class Lookup:
    """What handlers of calls ask of what is shown.

    ``host_uuid`` is known as soon as libvirt was reached once, and empty before; ``storage`` tells
    where disks are, ``departed`` are the images outside pools that no machine names any more.
    """

    def __init__(
        self,
        database: Database,
        storage: StorageIndex,
        storage_records: StorageRecords,
        networks: NetworkRecords,
        departed: DepartedImages,
    ) -> None:
        self.host_uuid = ""
        self.storage = storage
        self.departed = departed
        self._database = database
        self._storage_records = storage_records
        self._networks = networks

    def volume_name(self, vdi_uuid: str) -> str:
        """Give the name in its pool of a VDI, which clients may have labelled otherwise."""
        ref = self._database.by_uuid("VDI", vdi_uuid)
        return self._storage_records.volume_name(ref or "")

    def interface_source(self, network: str) -> tuple[str, str]:
        """Give libvirt's type and source of an interface that shall be on a network."""
        return self._networks.source_of(network)
