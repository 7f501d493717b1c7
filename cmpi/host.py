"""Which providers the bridge serves: what it needs of them, and who makes them.

The file beside the library names a function that gives ``HostedProviders``; another one for tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from virtcim.cim.declarations import DeclaredClasses
from virtcim.cim.records import MethodResult, ObjectPath, Record, Value
from virtcim.providers import IndicationSink, StateDatabase

__all__ = [
    "DEFAULT_HOST",
    "HostProviders",
    "HostedProviders",
    "OpenHost",
    "Settings",
    "factory",
    "read_settings",
]

#: What the file beside the library names unless another one was asked for.
DEFAULT_HOST = "virtcim.cli.hosted:open_host"


class HostProviders(Protocol):
    """What the bridge asks of the providers; ``virtcim.providers.Providers`` has it."""

    def in_language(self, language: str) -> HostProviders:
        """The same providers for a reader of that language."""

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """The instances of a class and of its subclasses."""

    def get_instance(self, path: ObjectPath) -> Record:
        """One instance."""

    def delete_instance(self, path: ObjectPath) -> None:
        """Remove one instance."""

    def associators(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[Record]:
        """The instances associated with one instance."""

    def associator_names(
        self,
        path: ObjectPath,
        *,
        assoc_class: str = "",
        result_class: str = "",
        role: str = "",
        result_role: str = "",
    ) -> list[ObjectPath]:
        """The paths of the instances associated with one instance."""

    def references(
        self, path: ObjectPath, *, result_class: str = "", role: str = ""
    ) -> list[Record]:
        """The association instances that refer to one instance."""

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """Call a method of an instance, or of a class where the path has no keys."""

    @property
    def state(self) -> StateDatabase:
        """Where it is kept what was told of."""

    def start_indications(self, sink: IndicationSink) -> None:
        """Begin to tell ``sink`` what happens."""

    def subscriptions_changed(self) -> None:
        """The sink may want something else now."""

    def stop_indications(self) -> None:
        """Tell the sink nothing any more; it is not in use when this returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedProviders:
    """The providers of one process of a CIM server, and what belongs to them.

    ``incident`` logs what nobody foresaw, and gives the phrase that tells a client of it. ``close``
    ends them, with all of their threads, before the server unloads the bridge; ``open_host`` may be
    called again afterwards.
    """

    providers: HostProviders
    declarations: DeclaredClasses
    incident: Callable[[str, BaseException], str]
    close: Callable[[], None]


#: Called with the first request, and again with each one for as long as it raises CimError, which
#: the client is told.
OpenHost = Callable[[], HostedProviders]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the file beside the library says: ``executable`` is for C alone.

    ``path`` is one more directory of modules, empty for none. ``interop`` is what the server calls
    its interop namespace, empty where that is ``root/interop``. ``providers`` are files with
    providers of other people (virtcim.cmpi.provider2), which are served instead of ``host``.
    """

    host: str = DEFAULT_HOST
    path: str = ""
    interop: str = ""
    providers: tuple[Path, ...] = ()


def read_settings(file: Path) -> Settings:
    """The settings in lines of ``name=value``. Raises OSError."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    lines = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    found: dict[str, str] = dict(lines)
    return Settings(
        host=found.get("host", DEFAULT_HOST),
        path=found.get("path", ""),
        interop=found.get("interop", ""),
        providers=tuple(Path(value) for name, value in lines if name == "provider"),
    )


def factory(name: str) -> OpenHost:
    """The function that ``package.module:function`` names; imported when it is first called."""
    module, _, function = name.partition(":")

    def open_host() -> HostedProviders:
        found: Any = getattr(importlib.import_module(module), function)
        made: HostedProviders = found()
        return made

    return open_host
