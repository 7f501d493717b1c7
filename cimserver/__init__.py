"""The embedded CIM server: DSP0200 operations over HTTP, written directly from records."""

from virtcim.cimserver.boundary import ProviderBoundary
from virtcim.cimserver.http import CimServer
from virtcim.cimserver.limits import Limits

__all__ = ["CimServer", "Limits", "ProviderBoundary"]
