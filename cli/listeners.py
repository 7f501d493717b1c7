"""The option that says where listeners for indications may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from virtcim.cimserver.indications.networks import ListenerNetworks
from virtcim.cli.hypervisors import OptionError
from virtcim.daemon.listener import Listen

__all__ = ["ListenerNetworkOption", "listener_networks", "reachable_networks"]

ListenerNetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Network (10.0.0.0/8, ::1) in which listeners for indications may be, and no others. "
        "May be repeated. Without it everywhere but at loopback addresses and those of links."
    ),
]


def listener_networks(given: Sequence[str] | None) -> ListenerNetworks:
    """Where indications may be sent. Raises OptionError."""
    try:
        return ListenerNetworks(given or ())
    except ValueError as exc:
        raise OptionError(f"--listener-network: {exc}") from exc


def reachable_networks(networks: ListenerNetworks, listens: Sequence[Listen]) -> ListenerNetworks:
    """Where indications may be sent by a server that listens here.

    Whoever can reach only a loopback address of ours is on this machine, and so may listen there.
    """
    is_local = all(listen.is_local for listen in listens)
    return networks.with_loopback() if is_local else networks
