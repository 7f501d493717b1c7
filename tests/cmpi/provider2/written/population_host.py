"""Has our own providers be those of tests.cmpi.hosts.population; it has none itself."""

from __future__ import annotations

from typing import Any

from virtcim.cmpi.host import factory
from virtcim.cmpi.provider2 import ours

ours.host_is(factory("tests.cmpi.hosts:population"))


def get_providers(env: Any) -> dict[str, Any]:
    return {}
