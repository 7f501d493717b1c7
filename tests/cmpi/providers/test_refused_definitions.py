"""Definitions that cannot be, through the bridge."""

from tests.providers.test_refused_definitions import *
