"""What holds for every test: reproducible, in English, with no daemon nobody asked for."""

from __future__ import annotations

import os

import hypothesis

os.environ["LC_ALL"] = "C"
# A libvirt client that runs as an ordinary user starts a daemon where it finds none: never here.
os.environ["LIBVIRT_AUTOSTART"] = "0"

hypothesis.settings.register_profile(
    "virtcim",
    derandomize=True,
    deadline=None,
    database=None,
    # How fast examples come says more of what else the computer does than of the test.
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("virtcim")
