"""What the bridge serves as it is installed, from a file that a test has written."""

from __future__ import annotations

import os
from pathlib import Path

from virtcim.cli.hosted import open_configured
from virtcim.cmpi.host import HostedProviders

__all__ = ["open_host"]


def open_host() -> HostedProviders:
    """What the file says that VIRTCIM_TEST_CONFIGURATION names, as the system's own would."""
    return open_configured(Path(os.environ["VIRTCIM_TEST_CONFIGURATION"]))
