"""Parameters as clients send them, through the bridge."""

from tests.providers.test_client_parameters import *
