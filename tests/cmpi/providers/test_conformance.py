"""What the class declarations demand of every record, through the bridge."""

import pytest

from tests.providers.test_conformance import *


@pytest.fixture(scope="module")
def systems() -> int:
    """No more than it takes for an instance of every class."""
    return 5
