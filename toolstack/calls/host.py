"""The host and its counters (XenAPI ``host``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from virtcim.toolstack.calltable import CallTable, Context
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.reading.queries import read_memory

__all__ = ["HOST_CALLS"]

HOST_CALLS = CallTable()

_STATISTICS_PLUGIN = "virtcim-statistics"


@HOST_CALLS.add("host.compute_free_memory", "host host", asynchronous=True)
def compute_free_memory(context: Context, _host: str) -> str:
    """Give the free memory of the host in bytes, asked now."""
    connection = context.services.connection
    _total_bytes, free_bytes = read_memory(connection)
    # libvirt's own failure is 0 here, and its Python binding raises nothing.
    connection.require()
    return str(free_bytes)


@HOST_CALLS.add("host.compute_memory_overhead", "host host", inline=True)
def compute_memory_overhead(_context: Context, _host: str) -> str:
    """Give the memory that virtualization itself takes: libvirt does not tell."""
    return "0"


@HOST_CALLS.add("host.get_servertime", "host host", inline=True)
def get_servertime(_context: Context, _host: str) -> datetime:
    """Give the time of the toolstack."""
    return datetime.now(UTC)


@HOST_CALLS.add(
    "host.call_plugin",
    "host host, string plugin, string fn, map args",
    inline=True,
    needs_libvirt=False,
)
def call_plugin(context: Context, _host: str, plugin: str, fn: str, _args: dict[str, str]) -> str:
    """Give the counters of requests and of calls to libvirt as JSON; there is no other plug-in."""
    if plugin != _STATISTICS_PLUGIN:
        raise XapiFailure("XENAPI_MISSING_PLUGIN", plugin)
    if fn != "get":
        raise XapiFailure("XENAPI_PLUGIN_FAILURE", fn, "", f"there is no function {fn}")
    return json.dumps(context.services.statistics.snapshot())
