"""The storage pools behind storage repositories (XenAPI ``SR``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtcim.toolstack.calltable import Context
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.records.storage import PATH_SR

if TYPE_CHECKING:
    from virtcim.toolstack.native.objects import StoragePool

__all__ = ["find_pool", "is_of_paths", "require_pool"]


def is_of_paths(sr: Record) -> bool:
    """Whether an SR is the one of the paths outside all pools, which no pool is behind."""
    return bool(sr["type"] == PATH_SR)


def require_pool(sr: Record, ref: str) -> None:
    """Refuse the SR of paths: what is asked for needs a storage pool."""
    if is_of_paths(sr):
        raise XapiFailure("SR_OPERATION_NOT_SUPPORTED", ref)


def find_pool(context: Context, sr: Record) -> StoragePool:
    """Look the storage pool of an SR up."""
    connection = context.services.connection
    return connection.call(connection.handle.storagePoolLookupByUUIDString, sr["uuid"])
