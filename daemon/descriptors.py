"""File descriptors: as many as the system gives, and some that no client gets."""

from __future__ import annotations

import logging
import resource

__all__ = ["most_connections", "raise_limit"]

_log = logging.getLogger(__name__)

_MOST = 65_536
# For the state, the hypervisors, listeners of indications, and connections that wait.
_RESERVE = 256


def raise_limit() -> int:
    """Take as many descriptors as this process may have, up to 65,536; gives how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft >= most:
        return min(soft, _MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def most_connections(wanted: int, descriptors: int) -> int:
    """How many connections there may be; the log says where the descriptors are too few."""
    possible = descriptors - min(_RESERVE, descriptors // 2)
    if wanted > possible:
        _log.warning(
            "only %d of %d connections are possible with %d file descriptors; "
            "raise the hard limit (LimitNOFILE= of systemd, ulimit -Hn)",
            possible,
            wanted,
            descriptors,
        )
    return min(wanted, possible)
