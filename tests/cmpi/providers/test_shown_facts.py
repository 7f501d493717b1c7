"""What is shown of what there is, through the bridge."""

from tests.providers.test_shown_facts import *
