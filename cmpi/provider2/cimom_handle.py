"""The operations of the CIM server for providers, as far as the providers here can answer them.

The names and the order of arguments are those of cmpi-bindings; what else clients of pywbem give by
name (``LocalOnly``, ``IncludeQualifiers``, ``IncludeClassOrigin``) does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pywbem

from virtcim.cmpi.provider2.delivering import Deliverer
from virtcim.cmpi.provider2.dispatch import Dispatch, Names
from virtcim.cmpi.provider2.environment import ProviderEnvironment
from virtcim.cmpi.provider2.models import path_of

__all__ = ["CIMOMHandle"]


class CIMOMHandle:
    """Raises CIMError: CIM_ERR_NOT_SUPPORTED for classes that no provider here serves."""

    default_namespace = "root/cimv2"

    def __init__(self, env: ProviderEnvironment, dispatch: Dispatch, deliverer: Deliverer) -> None:
        self._env = env
        self._dispatch = dispatch
        self._deliverer = deliverer

    def EnumerateInstanceNames(self, ns: str, cn: str) -> Iterator[pywbem.CIMInstanceName]:
        """The paths of the instances of a class."""
        path = pywbem.CIMInstanceName(cn, namespace=ns)
        for one in self._dispatch.instances(self._env, path, None, keys_only=True):
            yield path_of(one, ns)

    def EnumerateInstances(
        self, ns: str, cn: str, props: Names = None, **ignored: Any
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances of a class."""
        path, wanted = pywbem.CIMInstanceName(cn, namespace=ns), _wanted(props, ignored)
        for one in self._dispatch.instances(self._env, path, wanted, keys_only=False):
            yield _kept(one, wanted, ns)

    def GetInstance(
        self, path: pywbem.CIMInstanceName, props: Names = None, **ignored: Any
    ) -> pywbem.CIMInstance:
        """One instance."""
        wanted = _wanted(props, ignored)
        return _kept(self._dispatch.instance(self._env, path, wanted), wanted, path.namespace)

    def CreateInstance(
        self,
        path: pywbem.CIMInstanceName | pywbem.CIMInstance,
        instance: pywbem.CIMInstance | None = None,
    ) -> pywbem.CIMInstanceName:
        """A new instance, which may stand alone where it has its path; the path that it got."""
        given: pywbem.CIMInstance = path if instance is None else instance
        made = given.copy()
        made.path = given.path if instance is None else path
        if made.path is None or not made.path.namespace:
            raise pywbem.CIMError(
                pywbem.CIM_ERR_INVALID_NAMESPACE, "the instance has no path with a namespace"
            )
        return self._dispatch.create(self._env, made)

    def ModifyInstance(
        self, instance: pywbem.CIMInstance, props: Names = None, **ignored: Any
    ) -> None:
        """Change the instance that the path of ``instance`` names."""
        self._dispatch.modify(self._env, instance.copy(), _wanted(props, ignored))

    def DeleteInstance(self, path: pywbem.CIMInstanceName) -> None:
        """Remove an instance."""
        self._dispatch.delete(self._env, path)

    def Associators(
        self,
        path: pywbem.CIMInstanceName,
        assocClass: str | None = None,  # noqa: N803
        resultClass: str | None = None,  # noqa: N803
        role: str | None = None,
        resultRole: str | None = None,  # noqa: N803
        props: Names = None,
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances associated with one."""
        wanted = _wanted(props, {})
        filters = _filters(assocClass, resultClass, role, resultRole)
        for one in self._dispatch.associators(self._env, path, wanted, **filters):
            yield _kept(one, wanted, path.namespace)

    def AssociatorNames(
        self,
        path: pywbem.CIMInstanceName,
        assocClass: str | None = None,  # noqa: N803
        resultClass: str | None = None,  # noqa: N803
        role: str | None = None,
        resultRole: str | None = None,  # noqa: N803
    ) -> Iterator[pywbem.CIMInstanceName]:
        """The paths of the instances associated with one."""
        filters = _filters(assocClass, resultClass, role, resultRole)
        return self._dispatch.associator_names(self._env, path, **filters)

    def References(
        self,
        path: pywbem.CIMInstanceName,
        resultClass: str | None = None,  # noqa: N803
        role: str | None = None,
        props: Names = None,
    ) -> Iterator[pywbem.CIMInstance]:
        """The associations with an instance."""
        wanted = _wanted(props, {})
        for one in self._dispatch.references(
            self._env, path, result_class=resultClass or "", role=role or "", wanted=wanted
        ):
            yield _kept(one, wanted, path.namespace)

    def ReferenceNames(
        self,
        path: pywbem.CIMInstanceName,
        resultClass: str | None = None,  # noqa: N803
        role: str | None = None,
    ) -> Iterator[pywbem.CIMInstanceName]:
        """The paths of the associations with an instance."""
        for one in self._dispatch.references(
            self._env, path, result_class=resultClass or "", role=role or "", keys_only=True
        ):
            yield path_of(one, path.namespace)

    def InvokeMethod(
        self, path: pywbem.CIMInstanceName, method: str, **params: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The value that a method returned, and its output parameters by name."""
        value, output = self._dispatch.invoke(self._env, path, method, params)
        return _plain(value), {name: _plain(one) for name, one in output}

    def DeliverIndication(self, ns: str, instance: pywbem.CIMInstance) -> None:
        """Tell the server's subscribers, from any thread."""
        self._deliverer.deliver(ns, instance)

    deliver_indication = export_indication = DeliverIndication

    def PrepareAttachThread(self) -> CIMOMHandle:
        """What a thread of the provider's uses: the same, as any thread may deliver here."""
        return self

    def AttachThread(self) -> None:
        """Nothing: each delivery attaches its thread."""

    DetachThread = AttachThread

    def is_subclass(self, ns: str, super: str, sub: str) -> bool:  # noqa: A002 - by this name
        """Whether a class is another one or its subclass."""
        return self._env.is_a(ns, sub, super)

    def GetClass(self, *_arguments: Any, **_named: Any) -> None:
        """Not what a provider can ask of a server that speaks CMPI."""
        raise pywbem.CIMError(
            pywbem.CIM_ERR_NOT_SUPPORTED, "a provider cannot read the classes of the CIM server"
        )

    EnumerateClasses = EnumerateClassNames = CreateClass = DeleteClass = GetClass


def _wanted(props: Names, named: dict[str, Any]) -> Names:
    listed: Sequence[str] | None = props if props is not None else named.get("PropertyList")
    return None if listed is None else [one.lower() for one in listed]


def _kept(one: pywbem.CIMInstance, wanted: Names, namespace: str | None) -> pywbem.CIMInstance:
    """An instance of its own: what a provider yields may be filled in anew for the next one."""
    properties = [
        (prop.name, prop.copy())
        for prop in one.properties.values()
        if wanted is None or prop.name.lower() in wanted
    ]
    return pywbem.CIMInstance(one.classname, properties, path=path_of(one, namespace))


def _filters(
    assoc_class: str | None, result_class: str | None, role: str | None, result_role: str | None
) -> dict[str, str]:
    return {
        "assoc_class": assoc_class or "",
        "result_class": result_class or "",
        "role": role or "",
        "result_role": result_role or "",
    }


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, pywbem.CIMParameter) else value
