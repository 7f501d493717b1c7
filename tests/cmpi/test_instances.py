"""The instance interface, through both servers' tables of functions."""

from __future__ import annotations

from tests.cim.everything import EVERYTHING
from tests.cmpi.server import Server
from tests.cmpi.words import Path


def one(identity: str, namespace: str = "root/virt") -> Path:
    return Path(namespace=namespace, class_name=EVERYTHING, keys={"Id": ("string", identity)})


def test_get_instance(server: Server) -> None:
    provider = server.open()
    answer = server.read(provider, "getInstance", one("id 1"))
    assert answer.status == 0, answer.message
    assert len(answer.instances) == 1
