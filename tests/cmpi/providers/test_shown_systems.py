"""Shown systems, through the bridge."""

from tests.providers.test_shown_systems import *
