"""Metrics in the format of Prometheus, or of OpenMetrics where that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from virtcim.daemon.observation.measures import BOUNDS_S, Distribution, Family
from virtcim.daemon.observation.program import process_families

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = ["Source", "collected", "exposition"]

_log = logging.getLogger(__name__)

Source = Callable[[], Iterable[Family]]
"""What gives metrics when it is asked; from any thread."""


def collected(sources: Iterable[Source]) -> list[Family]:
    """All metrics, and those of this process; what a source cannot give is left out. May block."""
    families: list[Family] = []
    for source in (*sources, process_families):
        try:
            families += source()
        except Exception as error:  # noqa: BLE001 - the others are there all the same
            _say(f"{type(error).__name__}: {error}")
    return families


def exposition(families: Iterable[Family], accept: str) -> tuple[bytes, str]:
    """Metrics as text, and its media type. Takes long for the first time."""
    from prometheus_client.exposition import choose_encoder

    encode, media_type = choose_encoder(accept)
    return encode(cast("Collector", _Collected(families))), media_type


class _Collected:
    """What Prometheus' library takes for a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        return map(_metric, self._families)


@lru_cache(maxsize=64)
def _say(why: str) -> None:
    """Say once what is missing."""
    _log.warning("some metrics cannot be had: %s", why)


def _metric(family: Family) -> Any:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    kinds: dict[str, Any] = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    metric = kinds[family.kind](family.name, family.what, labels=family.labels)
    for labels, value in sorted(family.values.items()):
        if isinstance(value, Distribution):
            bounds = [*map(str, BOUNDS_S), "+Inf"]
            buckets = [*zip(bounds, accumulate(value.counts), strict=True)]
            metric.add_metric(labels, buckets, value.sum_s)
        else:
            metric.add_metric(labels, value)
    return metric
