"""Defining virtual systems, through the bridge."""

from tests.providers.test_define import *
