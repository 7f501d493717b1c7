"""Definitions like another, through the bridge."""

from tests.providers.test_reference_configuration import *
