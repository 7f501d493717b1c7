"""What the tests of the providers ask, through a CIM server that has loaded the bridge."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cmpi.providers.values import Values
from tests.cmpi.server import Answer, Server
from tests.cmpi.words import Path, value_of
from virtcim.cim.records import CimError, MethodResult, ObjectPath, Record, Value
from virtcim.cimserver.declarations import Declarations
from virtcim.cmpi.host import HostedProviders
from virtcim.daemon.incidents import incident
from virtcim.mof import load_schema
from virtcim.providers import Providers

__all__ = ["Client", "open_host"]

_asked = threading.local()


class _WhicheverIsAsked:
    """The providers of the client that this thread's request comes from."""

    def in_language(self, language: str) -> Providers:
        providers: Providers = _asked.providers
        return providers.in_language(language)


def open_host() -> HostedProviders:
    """What the bridge serves."""
    providers: Any = _WhicheverIsAsked()
    return HostedProviders(
        providers=providers,
        declarations=Declarations(load_schema()),
        incident=incident,
        close=lambda: None,
    )


class Client:
    """Has of ``Providers`` what goes through a CIM server; each call is a request of its own."""

    def __init__(
        self, server: Server, values: Values, providers: Providers, language: str | None = None
    ) -> None:
        self._server = server
        self._values = values
        self._providers = providers
        self._language = language
        self.namespaces = providers.namespaces

    def in_language(self, language: str) -> Client:
        return Client(self._server, self._values, self._providers, language)

    def close(self) -> None:
        """What the embedded server does at its end, and the bridge at its own."""
        self._providers.close()

    def enumerate_instances(
        self, namespace: str, class_name: str, properties: Sequence[str] | None = None
    ) -> list[Record]:
        path = Path(namespace=namespace, class_name=class_name)
        return self._records("instance", "enumerateInstances", path, properties=properties)

    def enumerate_instance_names(self, namespace: str, class_name: str) -> list[ObjectPath]:
        path = Path(namespace=namespace, class_name=class_name)
        return self._paths("instance", "enumerateInstanceNames", path)

    def get_instance(self, path: ObjectPath, properties: Sequence[str] | None = None) -> Record:
        asked = self._values.path(path)
        (found,) = self._records("instance", "getInstance", asked, properties=properties)
        return found

    def delete_instance(self, path: ObjectPath) -> None:
        self._read("instance", "deleteInstance", self._values.path(path))

    def associators(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[Record]:
        filters = _filters(assoc_class, result_class, role, result_role)
        return self._records("association", "associators", self._values.path(path), *filters)

    def associator_names(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[ObjectPath]:
        filters = _filters(assoc_class, result_class, role, result_role)
        return self._paths("association", "associatorNames", self._values.path(path), *filters)

    def references(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[Record]:
        filters = _filters(result_class, role)
        return self._records("association", "references", self._values.path(path), *filters)

    def reference_names(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[ObjectPath]:
        filters = _filters(result_class, role)
        return self._paths("association", "referenceNames", self._values.path(path), *filters)

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        _asked.providers = self._providers
        answer = self._server.invoke(
            self._server.interface("method"),
            self._values.path(path),
            method_name,
            self._values.parameters(path.class_name, method_name, parameters),
            language=self._language,
        )
        self._check(answer)
        (returned,) = answer.data
        output = self._values.outputs(path.class_name, method_name, answer.arguments)
        return MethodResult(return_value=value_of(returned), output=output)

    def _records(
        self, kind: str, operation: str, path: Path, *texts: str | None, **options: Any
    ) -> list[Record]:
        answer = self._read(kind, operation, path, *texts, **options)
        return [self._values.record(one) for one in answer.instances]

    def _paths(self, kind: str, operation: str, path: Path, *texts: str | None) -> list[ObjectPath]:
        return [
            self._values.object_path(one) for one in self._read(kind, operation, path, *texts).paths
        ]

    def _read(
        self, kind: str, operation: str, path: Path, *texts: str | None, **options: Any
    ) -> Answer:
        _asked.providers = self._providers
        server = self._server
        answer = server.read(
            server.interface(kind), operation, path, *texts, language=self._language, **options
        )
        self._check(answer)
        return answer

    def _check(self, answer: Answer) -> None:
        """Raises what a client of the server is told."""
        if answer.status:
            errors = tuple(
                Record("CIM_Error", {name: value_of(typed) for name, typed in one.items()})
                for one in answer.errors
            )
            raise CimError(answer.status, answer.message or "", errors=errors)
        assert answer.is_done
        assert not answer.errors


def _filters(*given: str) -> list[str | None]:
    """As servers hand them over: NULL where a client gives none."""
    return [one or None for one in given]
