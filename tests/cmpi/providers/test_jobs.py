"""Jobs, through the bridge."""

from tests.providers.test_jobs import *
