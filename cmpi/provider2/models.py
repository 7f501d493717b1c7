"""The instances that providers are given to fill in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pywbem

__all__ = ["Model", "path_of", "typed_key"]


class _ModelPath(pywbem.CIMInstanceName):  # type: ignore[misc]
    """A path whose keys may have no values yet, as providers name its keys first."""

    def copy(self) -> _ModelPath:
        """A path like it, which may be changed."""
        made = _ModelPath(self.classname, host=self.host, namespace=self.namespace)
        made.keybindings.update(self.keybindings)
        return made


class Model(pywbem.CIMInstance):  # type: ignore[misc]
    """An instance with a path, whose keys follow the properties of their names.

    ``property_list`` has the properties that are wanted in lower case, None for all.
    """

    def __init__(
        self, path: pywbem.CIMInstanceName, property_list: Sequence[str] | None = None
    ) -> None:
        of_model = _ModelPath(path.classname, host=path.host, namespace=path.namespace)
        of_model.keybindings.update(path.keybindings)
        super().__init__(path.classname, path=of_model)
        self.property_list = property_list
        for name, value in path.keybindings.items():
            self[name] = typed_key(value)

    def __setitem__(self, key: str, value: Any) -> None:
        # pywbem would do so, too, and warn of it.
        one = value if isinstance(value, pywbem.CIMProperty) else pywbem.CIMProperty(key, value)
        self.properties[key] = one
        if self.path is not None and key in self.path.keybindings:
            self.path.keybindings[key] = one.value

    def copy(self) -> Model:
        """An instance like it, which may be changed."""
        made = Model(self.path, self.property_list)
        made.properties.clear()
        for name, one in self.properties.items():
            made.properties[name] = one.copy()
        return made


def typed_key(value: Any) -> Any:
    """A key as a value of a property, which pywbem wants to have a type."""
    if type(value) is int:
        return pywbem.Uint64(value) if value >= 0 else pywbem.Sint64(value)
    return pywbem.Real64(value) if type(value) is float else value


def path_of(instance: pywbem.CIMInstance, namespace: str | None = None) -> pywbem.CIMInstanceName:
    """The path of an instance with what its properties say of the keys.

    An instance without any keys is named by its references, as associations are. Raises CIMError
    where a key has no value.
    """
    path = instance.path
    place = namespace if path is None else path.namespace or namespace
    keys = {} if path is None else dict(path.keybindings.items())
    if not keys:
        keys = {one.name: None for one in instance.properties.values() if one.type == "reference"}
    for name in keys:
        one = instance.properties.get(name)
        if one is not None and one.value is not None:
            keys[name] = one.value
    missing = [name for name, value in keys.items() if value is None]
    if missing:
        raise pywbem.CIMError(
            pywbem.CIM_ERR_FAILED, f"the key {missing[0]} of {instance.classname} has no value"
        )
    return pywbem.CIMInstanceName(instance.classname, keys, namespace=place)
