"""Requests as calls of the providers' own methods: what goes in and comes out is pywbem's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pywbem

from virtcim.cmpi.provider2.base_class import paths_equal
from virtcim.cmpi.provider2.environment import ProviderEnvironment
from virtcim.cmpi.provider2.loading import Modules
from virtcim.cmpi.provider2.models import Model, path_of, typed_key

__all__ = ["Dispatch"]

Names = Sequence[str] | None


class Dispatch:
    """Whoever serves a class is asked. Each method raises CIMError, and what providers raise.

    Instances are yielded as the provider yields them: each is to be used before the next one.
    """

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def instances(
        self, env: ProviderEnvironment, path: pywbem.CIMInstanceName, wanted: Names, keys_only: bool
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances of the class of ``path``."""
        provider = self._provider(path.classname)
        model = Model(_class_path(path.classname, path), wanted)
        yield from provider.enum_instances(env=env, model=model, keys_only=keys_only) or ()

    def instance(
        self, env: ProviderEnvironment, path: pywbem.CIMInstanceName, wanted: Names
    ) -> pywbem.CIMInstance:
        """One instance; its path is that which was asked for, unless the provider set another."""
        model = Model(path, wanted)
        found: pywbem.CIMInstance | None = self._provider(path.classname).get_instance(
            env=env, model=model
        )
        if found is None:
            raise pywbem.CIMError(pywbem.CIM_ERR_NOT_FOUND, f"there is no {path}")
        if found.path is None or not found.path.keybindings:
            found.path = path
        return found

    def create(
        self, env: ProviderEnvironment, instance: pywbem.CIMInstance
    ) -> pywbem.CIMInstanceName:
        """A new instance; its path."""
        provider = self._provider(instance.classname)
        made = provider.set_instance(env=env, instance=instance, modify_existing=False)
        return path_of(instance if made is None else made, instance.path.namespace)

    def modify(self, env: ProviderEnvironment, instance: pywbem.CIMInstance, wanted: Names) -> None:
        """Change the properties of an instance that are in ``wanted``, or all that it has."""
        keys = instance.path.keybindings
        for name in list(instance.properties):
            if wanted is not None and name.lower() not in wanted and name not in keys:
                del instance.properties[name]
        # Which one it is may stand nowhere but in its path.
        for name, value in keys.items():
            instance.properties[name] = pywbem.CIMProperty(name, typed_key(value))
        provider = self._provider(instance.classname)
        provider.set_instance(env=env, instance=instance, modify_existing=True)

    def delete(self, env: ProviderEnvironment, path: pywbem.CIMInstanceName) -> None:
        """Remove an instance."""
        self._provider(path.classname).delete_instance(env=env, instance_name=path)

    def references(
        self,
        env: ProviderEnvironment,
        path: pywbem.CIMInstanceName,
        *,
        result_class: str = "",
        role: str = "",
        wanted: Names = None,
        keys_only: bool = False,
    ) -> Iterator[pywbem.CIMInstance]:
        """The associations with an instance."""
        for association in self._associations(env, path, result_class):
            for one in self._linked(env, association, path, ("", role, ""), wanted, keys_only):
                if next(_ends(one, path, role), None) is not None:
                    yield one

    def associator_names(
        self,
        env: ProviderEnvironment,
        path: pywbem.CIMInstanceName,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> Iterator[pywbem.CIMInstanceName]:
        """The paths of the instances associated with one, each once."""
        told: set[pywbem.CIMInstanceName] = set()
        filters = result_class, role, result_role
        for association in self._associations(env, path, assoc_class):
            for one in self._linked(env, association, path, filters, None, False):
                for near in _ends(one, path, role):
                    for far in _others(one, near, result_role):
                        end = _within(far, path.namespace)
                        if end not in told and env.is_a(end.namespace, end.classname, result_class):
                            told.add(end)
                            yield end

    def associators(
        self,
        env: ProviderEnvironment,
        path: pywbem.CIMInstanceName,
        wanted: Names,
        **filters: str,
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances associated with one; what is not there any more is left out."""
        for end in self.associator_names(env, path, **filters):
            try:
                yield self.instance(env, end, wanted)
            except pywbem.CIMError as error:
                if error.status_code != pywbem.CIM_ERR_NOT_FOUND:
                    raise

    def invoke(
        self,
        env: ProviderEnvironment,
        path: pywbem.CIMInstanceName,
        name: str,
        parameters: Mapping[str, Any],
    ) -> tuple[Any, list[tuple[str, Any]]]:
        """The value that a method returned, and its output parameters."""
        method = getattr(self._provider(path.classname), f"cim_method_{name.lower()}", None)
        if method is None:
            shown = f"{path.classname} has no method {name[:80]!r}"
            raise pywbem.CIMError(pywbem.CIM_ERR_METHOD_NOT_FOUND, shown)
        target: Any = path
        if not path.keybindings:
            target = pywbem.CIMClassName(path.classname, namespace=path.namespace)
        given = {"env": env, "object_name": target}
        given |= {f"param_{one.lower()}": value for one, value in parameters.items()}
        value, output = _called(method, name, given)
        if isinstance(output, Mapping):
            return value, list(output.items())
        return value, [(one.name, one) for one in output or ()]

    def _provider(self, class_name: str) -> Any:
        found = self._modules.provider(class_name)
        if found is None:
            raise pywbem.CIMError(
                pywbem.CIM_ERR_NOT_SUPPORTED, f"no provider that is loaded here serves {class_name}"
            )
        return found

    def _associations(
        self, env: ProviderEnvironment, path: pywbem.CIMInstanceName, wanted: str
    ) -> list[str]:
        """The classes of associations that are asked for: the one that is named, or any."""
        if wanted and self._modules.provider(wanted) is not None:
            return [wanted]
        return [
            name
            for name, provider in self._modules.classes().items()
            if hasattr(provider, "references") and env.is_a(path.namespace, name, wanted)
        ]

    def _linked(
        self,
        env: ProviderEnvironment,
        association: str,
        path: pywbem.CIMInstanceName,
        filters: tuple[str, str, str],
        wanted: Names,
        keys_only: bool,
    ) -> Iterable[pywbem.CIMInstance]:
        result_class, role, result_role = filters
        found: Iterable[pywbem.CIMInstance] | None = self._provider(association).references(
            env=env,
            object_name=path,
            model=Model(_class_path(association, path), wanted),
            result_class_name=result_class,
            role=role,
            result_role=result_role,
            keys_only=keys_only,
        )
        return found or ()


def _class_path(class_name: str, place: pywbem.CIMInstanceName) -> pywbem.CIMInstanceName:
    return pywbem.CIMInstanceName(class_name, namespace=place.namespace)


def _within(path: pywbem.CIMInstanceName, namespace: str | None) -> pywbem.CIMInstanceName:
    """A path in a namespace, without a host."""
    found = path.copy()
    found.host = None
    found.namespace = path.namespace or namespace
    return found


def _ends(
    association: pywbem.CIMInstance, path: pywbem.CIMInstanceName, role: str
) -> Iterator[pywbem.CIMProperty]:
    """Its references to an instance, in a role if one is asked for."""
    for one in association.properties.values():
        if one.type != "reference" or one.value is None:
            continue
        if role and one.name.lower() != role.lower():
            continue
        if paths_equal(one.value, path):
            yield one


def _others(
    association: pywbem.CIMInstance, near: pywbem.CIMProperty, role: str
) -> list[pywbem.CIMInstanceName]:
    """What the other references of an association name, in a role if one is asked for."""
    return [
        one.value
        for one in association.properties.values()
        if one.type == "reference"
        and one.value is not None
        and one is not near
        and (not role or one.name.lower() == role.lower())
    ]


def _called(method: Callable[..., Any], name: str, given: dict[str, Any]) -> tuple[Any, Any]:
    """Call a method with what it takes: some want to be told which method they are."""
    signature = inspect.signature(method)
    if "method" in signature.parameters:
        # Nobody here knows what it returns.
        given = {**given, "method": pywbem.CIMMethod(name, return_type="uint32")}
    try:
        signature.bind(**given)
    except TypeError as error:
        shown = f"the parameters of {name} do not fit: {error}"
        raise pywbem.CIMError(pywbem.CIM_ERR_INVALID_PARAMETER, shown) from error
    value, output = method(**given)
    return value, output
