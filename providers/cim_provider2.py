"""Our providers for a binding that loads providers for CIMProvider2, by the path of this file.

It stands here as such files do; what it does is ``virtcim.cmpi.provider2.ours``, which knows the
provider boundary from outside.
"""

from importlib import import_module
from typing import Any

__all__ = ["can_unload", "get_providers", "init", "shutdown"]

_ours: Any = import_module("virtcim.cmpi.provider2.ours")

init = _ours.init
get_providers = _ours.get_providers
can_unload = _ours.can_unload
shutdown = _ours.shutdown
