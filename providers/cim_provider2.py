"""Our providers for a binding that loads providers for CIMProvider2, by the path of this file.

It stands here as such files do; what it does is ``virtcim.cmpi.provider2.ours``, which knows the
provider boundary from outside.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "activate_filter",
    "authorize_filter",
    "can_unload",
    "deactivate_filter",
    "disable_indications",
    "enable_indications",
    "get_providers",
    "init",
    "shutdown",
]

_ours: Any = import_module("virtcim.cmpi.provider2.ours")

init = _ours.init
get_providers = _ours.get_providers
can_unload = _ours.can_unload
shutdown = _ours.shutdown
authorize_filter = _ours.authorize_filter
activate_filter = _ours.activate_filter
deactivate_filter = _ours.deactivate_filter
enable_indications = _ours.enable_indications
disable_indications = _ours.disable_indications
