"""Providers of other people, written for CIMProvider2, and ours for whoever loads such providers.

The interface is that of the bindings of Python for CIM servers (pywbem 0.7 with cmpi-bindings): a
module with ``get_providers(env)``, whose objects make, change and give instances of pywbem's.
"""

from virtcim.cmpi.provider2.foreign_host import open_providers

__all__ = ["open_providers"]
