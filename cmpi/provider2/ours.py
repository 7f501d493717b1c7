"""Our own providers for whoever loads providers by the interface of CIMProvider2.

``virtcim/providers/cim_provider2.py`` is what such a binding loads by its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pywbem

from virtcim.cim.records import Record
from virtcim.cmpi.methods import declared_method, typed_parameters
from virtcim.cmpi.provider2.base_class import supply
from virtcim.cmpi.provider2.conversion import (
    given_namespace,
    given_path,
    given_value,
    shown_instance,
    shown_value,
)
from virtcim.cmpi.provider2.our_host import HOST, host_is, language_of, told
from virtcim.cmpi.provider2.our_indications import (
    activate_filter,
    authorize_filter,
    deactivate_filter,
    disable_indications,
    enable_indications,
)
from virtcim.cmpi.reading import typed_path
from virtcim.registration import all_registrations

__all__ = [
    "activate_filter",
    "authorize_filter",
    "can_unload",
    "deactivate_filter",
    "disable_indications",
    "enable_indications",
    "get_providers",
    "host_is",
    "init",
    "shutdown",
]

# Where a binding has a base class of its own, it has there what it calls.
supply()
from pywbem.cim_provider2 import CIMProvider2  # noqa: E402

_PREFIX = "cim_method_"
_PARAMETER = "param_"


def init(env: Any) -> None:
    """Open nothing yet: whoever asks first is told why that failed, if it does."""


def get_providers(env: Any) -> dict[str, Any]:  # noqa: ARG001
    """An object for each class that is registered."""
    one = OurProvider()
    return {row.class_name: one for row in all_registrations(("root/virt",))}


def can_unload(env: Any) -> bool:  # noqa: ARG001
    """The inventory would have to be read anew."""
    return False


def shutdown(env: Any) -> None:  # noqa: ARG001
    """End the providers."""
    HOST.close()


class OurProvider(CIMProvider2):  # type: ignore[misc]
    """All classes of ours, as the interface has them."""

    def enum_instances(
        self,
        env: Any,
        model: pywbem.CIMInstance,
        keys_only: bool,  # noqa: ARG002
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances of a class and of its subclasses."""
        language, path = language_of(env), model.path
        namespace = given_namespace(path.namespace)
        with told("enum_instances", language):
            hosted = HOST.hosted()
            providers = hosted.providers.in_language(language)
            for record in providers.enumerate_instances(namespace, path.classname):
                yield shown_instance(record, hosted.declarations)

    def get_instance(self, env: Any, model: pywbem.CIMInstance) -> pywbem.CIMInstance:
        """One instance."""
        language = language_of(env)
        with told("get_instance", language):
            hosted = HOST.hosted()
            path = typed_path(given_path(model.path), hosted.declarations)
            record = hosted.providers.in_language(language).get_instance(path)
            return shown_instance(record, hosted.declarations)

    def delete_instance(self, env: Any, instance_name: pywbem.CIMInstanceName) -> None:
        """Remove one instance."""
        language = language_of(env)
        with told("delete_instance", language):
            hosted = HOST.hosted()
            path = typed_path(given_path(instance_name), hosted.declarations)
            hosted.providers.in_language(language).delete_instance(path)

    def references(
        self,
        env: Any,
        object_name: pywbem.CIMInstanceName,
        model: pywbem.CIMInstance,
        result_class_name: str,  # noqa: ARG002 - the binding filters
        role: str,
        result_role: str,  # noqa: ARG002
        keys_only: bool,  # noqa: ARG002
    ) -> Iterator[pywbem.CIMInstance]:
        """The associations of a class with an instance."""
        language = language_of(env)
        with told("references", language):
            hosted = HOST.hosted()
            path = typed_path(given_path(object_name), hosted.declarations)
            records: list[Record] = hosted.providers.in_language(language).references(
                path, result_class=model.classname, role=role or ""
            )
            for record in records:
                yield shown_instance(record, hosted.declarations)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The methods, which depend on the class that they are called on."""
        if not name.startswith(_PREFIX):
            raise AttributeError(name)

        def method(env: Any, object_name: Any, **parameters: Any) -> Any:
            return _invoke(language_of(env), object_name, name[len(_PREFIX) :], parameters)

        return method


def _invoke(
    language: str, object_name: Any, name: str, parameters: Mapping[str, Any]
) -> tuple[Any, list[pywbem.CIMParameter]]:
    with told("invoke_method", language):
        hosted = HOST.hosted()
        declarations = hosted.declarations
        target = typed_path(given_path(object_name), declarations)
        method = declared_method(declarations, target.class_name, name)
        given = [(one[len(_PARAMETER) :], given_value(value)) for one, value in parameters.items()]
        typed = typed_parameters(given, method, declarations, target.namespace)
        providers = hosted.providers.in_language(language)
        result = providers.invoke_method(target, method.name, typed)
        output = []
        for one, value in result.output.items():
            declared = method.parameters[one.lower()]
            output.append(
                pywbem.CIMParameter(
                    declared.name,
                    declared.type_name,
                    value=shown_value(value, declared, declarations),
                    is_array=declared.is_array,
                    embedded_object="instance" if declared.is_embedded else None,
                )
            )
        return shown_value(result.return_value, method.returns, declarations), output
