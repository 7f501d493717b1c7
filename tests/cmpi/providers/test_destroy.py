"""Destroying virtual systems, through the bridge."""

from tests.providers.test_destroy import *
