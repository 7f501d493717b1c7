"""Reads of what there is not, through the bridge."""

from tests.providers.test_refused_reads import *
