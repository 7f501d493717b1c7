"""State changes, through the bridge."""

from tests.providers.test_state_changes import *
