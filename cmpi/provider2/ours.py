"""Our own providers for whoever loads providers by the interface of CIMProvider2.

``virtcim/providers/cim_provider2.py`` is what such a binding loads by its path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pywbem

from virtcim.cim.records import Record
from virtcim.cmpi.host import DEFAULT_HOST, HostedProviders, OpenHost, factory
from virtcim.cmpi.methods import declared_method, typed_parameters
from virtcim.cmpi.provider2.base_class import supply
from virtcim.cmpi.provider2.conversion import (
    given_path,
    given_value,
    shown_instance,
    shown_value,
)
from virtcim.cmpi.reading import typed_path
from virtcim.cmpi.statuses import error_of
from virtcim.errormap import accepted_language
from virtcim.registration import all_registrations

__all__ = ["can_unload", "get_providers", "host_is", "init", "shutdown"]

# Where a binding has a base class of its own, it has there what it calls.
supply()
from pywbem.cim_provider2 import CIMProvider2  # noqa: E402

_PREFIX = "cim_method_"
_PARAMETER = "param_"


class _Host:
    """Opened with the first request; safe in many threads."""

    def __init__(self) -> None:
        self.open: OpenHost = factory(DEFAULT_HOST)
        self._lock = threading.Lock()
        self._hosted: HostedProviders | None = None

    def hosted(self) -> HostedProviders:
        """What the requests are answered by. Raises CimError."""
        with self._lock:
            if self._hosted is None:
                self._hosted = self.open()
            return self._hosted

    def incident(self, what: str, error: BaseException) -> str:
        """Tell of what nobody foresaw."""
        return self.hosted().incident(what, error)

    def close(self) -> None:
        """End the providers, with their threads."""
        with self._lock:
            hosted, self._hosted = self._hosted, None
        if hosted is not None:
            hosted.close()


_host = _Host()


def host_is(open_host: OpenHost) -> None:
    """Have other providers than those that the system's configuration says."""
    _host.open = open_host


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
    _host.close()


@contextmanager
def _told(what: str, language: str) -> Iterator[None]:
    """Whatever goes wrong as an error of pywbem's, with its status and its text."""
    try:
        yield
    except pywbem.CIMError:
        raise
    except Exception as error:
        told = error_of(what, error, _host.incident).in_language(language)
        raise pywbem.CIMError(told.status_code, told.description) from error


class OurProvider(CIMProvider2):  # type: ignore[misc]
    """All classes of ours, as the interface has them."""

    def enum_instances(
        self,
        env: Any,
        model: pywbem.CIMInstance,
        keys_only: bool,  # noqa: ARG002
    ) -> Iterator[pywbem.CIMInstance]:
        """The instances of a class and of its subclasses."""
        language, path = _language(env), model.path
        with _told("enum_instances", language):
            hosted = _host.hosted()
            providers = hosted.providers.in_language(language)
            for record in providers.enumerate_instances(path.namespace or "", path.classname):
                yield shown_instance(record, hosted.declarations)

    def get_instance(self, env: Any, model: pywbem.CIMInstance) -> pywbem.CIMInstance:
        """One instance."""
        language = _language(env)
        with _told("get_instance", language):
            hosted = _host.hosted()
            path = typed_path(given_path(model.path), hosted.declarations)
            record = hosted.providers.in_language(language).get_instance(path)
            return shown_instance(record, hosted.declarations)

    def delete_instance(self, env: Any, instance_name: pywbem.CIMInstanceName) -> None:
        """Remove one instance."""
        language = _language(env)
        with _told("delete_instance", language):
            hosted = _host.hosted()
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
        language = _language(env)
        with _told("references", language):
            hosted = _host.hosted()
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
            return _invoke(_language(env), object_name, name[len(_PREFIX) :], parameters)

        return method


def _language(env: Any) -> str:
    return accepted_language(env.get_context_value("CMPIAcceptLanguage") or "")


def _invoke(
    language: str, object_name: Any, name: str, parameters: Mapping[str, Any]
) -> tuple[Any, list[pywbem.CIMParameter]]:
    with _told("invoke_method", language):
        hosted = _host.hosted()
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
