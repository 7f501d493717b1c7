"""What clients can learn of the management service, through the bridge."""

from tests.providers.test_management_capabilities import *
