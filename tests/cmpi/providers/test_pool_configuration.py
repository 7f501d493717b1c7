"""Changing pools, through the bridge."""

from tests.providers.test_pool_configuration import *
