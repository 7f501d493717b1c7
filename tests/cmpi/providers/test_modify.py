"""Changing virtual systems, through the bridge."""

from tests.providers.test_modify import *
