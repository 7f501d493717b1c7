"""The module ``pywbem.cim_provider2``, which providers import, and pywbem no longer has."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType
from typing import Any

import pywbem

__all__ = ["CIMProvider2", "paths_equal", "supply"]

_MODULE = "pywbem.cim_provider2"


def paths_equal(left: pywbem.CIMInstanceName, right: pywbem.CIMInstanceName) -> bool:
    """Whether two paths name the same instance; host and namespace count where both have one."""
    copies = left.copy(), right.copy()
    for place in ("host", "namespace"):
        if not all(getattr(one, place) for one in copies):
            for one in copies:
                setattr(one, place, None)
    return bool(copies[0] == copies[1])


# Providers override these, and are called by the names of their arguments.
# ruff: noqa: ARG002
class CIMProvider2:
    """What a provider of a class is derived from: it has none, and takes none.

    ``env`` is the ``ProviderEnvironment`` of the request. Whatever raises ``pywbem.CIMError`` has
    the client told its status and text.
    """

    def get_instance(self, env: Any, model: pywbem.CIMInstance) -> pywbem.CIMInstance | None:
        """One instance: ``model`` with its properties, or another one; None where it is not there.

        The keys of ``model`` and of its path are those that were asked for.
        """

    def enum_instances(
        self, env: Any, model: pywbem.CIMInstance, keys_only: bool
    ) -> Iterable[pywbem.CIMInstance] | None:
        """Yield all instances, which may be ``model`` again and again; None for none.

        ``keys_only``: nothing but the keys is needed.
        """

    def set_instance(
        self, env: Any, instance: pywbem.CIMInstance, modify_existing: bool
    ) -> pywbem.CIMInstance:
        """Make an instance, or change an existing one; what became of it."""
        raise pywbem.CIMError(pywbem.CIM_ERR_NOT_SUPPORTED, "")

    def delete_instance(self, env: Any, instance_name: pywbem.CIMInstanceName) -> None:
        """Remove an instance."""
        raise pywbem.CIMError(pywbem.CIM_ERR_NOT_SUPPORTED, "")

    def references(
        self,
        env: Any,
        object_name: pywbem.CIMInstanceName,
        model: pywbem.CIMInstance,
        result_class_name: str,
        role: str,
        result_role: str,
        keys_only: bool,
    ) -> Iterable[pywbem.CIMInstance] | None:
        """Yield the associations with ``object_name``; None from what is no association."""

    def simple_refs(
        self,
        env: Any,
        object_name: pywbem.CIMInstanceName,
        model: pywbem.CIMInstance,
        result_class_name: str,
        role: str,
        result_role: str,
        keys_only: bool,
    ) -> Iterator[pywbem.CIMInstance]:
        """``references`` for whoever can enumerate: those that refer to ``object_name``."""
        for instance in self.enum_instances(env, model, keys_only) or ():
            if any(
                one.type == "reference"
                and one.value is not None
                and (not role or one.name.lower() == role.lower())
                and paths_equal(object_name, one.value)
                for one in instance.properties.values()
            ):
                yield instance

    def paths_equal(self, lhs: pywbem.CIMInstanceName, rhs: pywbem.CIMInstanceName) -> bool:
        """Whether two paths name the same instance; a place counts where both have one."""
        return paths_equal(lhs, rhs)

    def filter_instance(self, inst: pywbem.CIMInstance, plist: Collection[str] | None) -> None:
        """Leave only the keys and the properties in ``plist``, in lower case; None leaves all."""
        if plist is None:
            return
        keys = () if inst.path is None else inst.path.keybindings
        for name in list(inst.properties):
            if name.lower() not in plist and name not in keys:
                del inst.properties[name]


def supply() -> None:
    """Let ``pywbem.cim_provider2`` be imported, unless pywbem has it."""
    if _MODULE in sys.modules or hasattr(pywbem, "cim_provider2"):
        return
    module: Any = ModuleType(_MODULE, "The base class of providers, supplied by virtcim.")
    module.CIMProvider2 = CIMProvider2
    module.__all__ = ["CIMProvider2"]
    sys.modules[_MODULE] = module
    namespace: Any = pywbem
    namespace.cim_provider2 = module
