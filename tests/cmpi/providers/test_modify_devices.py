"""Changing the devices of virtual systems, through the bridge."""

from tests.providers.test_modify_devices import *
