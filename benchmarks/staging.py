"""What most benchmarks begin with: both daemons over many virtual systems, and how they fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pywbem
import typer
from raw_clients import CimClient, RequestError, XmlRpcClient
from report import Progress
from stage import (
    Daemon,
    DaemonError,
    PrivateLibvirtError,
    Stage,
    await_hypervisor,
    await_inventory,
)

__all__ = ["NAMESPACE", "serving", "staged", "told"]

NAMESPACE = "root/virt"


@contextmanager
def told() -> Iterator[Progress]:
    """Measure within the block; what fails of the parts ends the program with one line."""
    try:
        with Progress() as progress:
            yield progress
    except (RequestError, DaemonError, PrivateLibvirtError, pywbem.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@contextmanager
def staged(systems: int, progress: Progress) -> Iterator[Stage]:
    """A toolstack that has read that many virtual systems, until the block ends."""
    progress.step(f"starting the daemons with {systems} virtual systems")
    with Stage(systems) as stage:
        stage.start_toolstack()
        with XmlRpcClient(stage.toolstack_url) as xapi:
            await_hypervisor(xapi)
        yield stage


@contextmanager
def serving(stage: Stage, *options: str) -> Iterator[Daemon]:
    """A CIM server that knows its hypervisor, until the block ends."""
    with stage.cim_server(*options) as server:
        with CimClient(server.url) as client:
            await_inventory(client, NAMESPACE)
        yield server
