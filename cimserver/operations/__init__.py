"""The operations of DSP0200: one table of them, and one function that runs a request."""

from virtcim.cimserver.operations.dispatch import Operations

__all__ = ["Operations"]
