"""Providers that observe while another process keeps the state, and keep it when they can."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from copy import copy

from virtcim.cim.records import MethodResult, ObjectPath, Record, Value
from virtcim.errormap import ENGLISH, ErrorCode
from virtcim.providers import (
    IndicationSink,
    Providers,
    StateDatabase,
    StateError,
    StateHeldError,
    failure,
)

__all__ = ["StateSharingProviders"]

_log = logging.getLogger(__name__)

Opening = Callable[[StateHeldError | None], Providers]


class _Turn:
    """Which providers there are now. ``opening`` is given why the state cannot be kept, if so."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._lock = threading.Lock()
        # Those that observed are read from until nobody does.
        self._former: list[Providers] = []
        self._sink: IndicationSink | None = None
        try:
            self.providers = opening(None)
        except StateHeldError as held:
            _log.warning("only reading is possible: %s", held)
            self.providers = opening(held)

    def keeping(self) -> Providers:
        """The providers that keep the state, where that can be; else those that observe."""
        if self.providers.state.held is None:
            return self.providers
        with self._lock:
            if self.providers.state.held is not None:
                try:
                    keeping = self._opening(None)
                except StateHeldError:
                    return self.providers
                except StateError as error:
                    raise failure(ErrorCode.ERR_OPERATION_FAILED, str(error)) from error
                _log.warning("the state is kept here now: %s", keeping.state.shown)
                self._former.append(self.providers)
                self.providers = keeping
                if self._sink is not None:
                    keeping.start_indications(self._sink)
        return self.providers

    def tell(self, sink: IndicationSink) -> None:
        """Tell ``sink`` what happens, as soon as the state is kept here: one process tells."""
        self.keeping()
        with self._lock:
            self._sink = sink
            held = self.providers.state.held
            if held is None:
                self.providers.start_indications(sink)
            else:
                _log.warning("another process tells what happens: %s", held)

    def tell_no_more(self) -> None:
        """Tell the sink nothing any more; it is not in use when this returns."""
        with self._lock:
            self._sink = None
            self.providers.stop_indications()

    def close(self) -> None:
        """End all."""
        with self._lock:
            for each in (*self._former, self.providers):
                each.close()


class StateSharingProviders:
    """What a bridge asks of providers (``virtcim.cmpi.host.HostProviders``).

    Whatever would change something tries to keep the state first, where another process had it.
    Raises StateError where it can neither be kept nor observed. Safe to use from many threads.
    """

    def __init__(self, opening: Opening) -> None:
        self._turn = _Turn(opening)
        self._language = ENGLISH
        self._readings: dict[str, StateSharingProviders] = {ENGLISH: self}

    def close(self) -> None:
        """End the providers."""
        self._turn.close()

    @property
    def _reading(self) -> Providers:
        return self._turn.providers.in_language(self._language)

    def in_language(self, language: str) -> StateSharingProviders:
        """The same providers for a reader of that language."""
        reading = self._readings.get(language)
        if reading is None:
            reading = self._readings[language] = copy(self)
            reading._language = language  # noqa: SLF001 - a copy of itself
        return reading

    @property
    def state(self) -> StateDatabase:
        """The database with what was told of."""
        return self._turn.providers.state

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        """As ``Providers.enumerate_instances``."""
        return self._reading.enumerate_instances(namespace, class_name)

    def get_instance(self, path: ObjectPath) -> Record:
        """As ``Providers.get_instance``."""
        return self._reading.get_instance(path)

    def associators(self, path: ObjectPath, **filters: str) -> list[Record]:
        """As ``Providers.associators``."""
        return self._reading.associators(path, **filters)

    def associator_names(self, path: ObjectPath, **filters: str) -> list[ObjectPath]:
        """As ``Providers.associator_names``."""
        return self._reading.associator_names(path, **filters)

    def references(self, path: ObjectPath, **filters: str) -> list[Record]:
        """As ``Providers.references``."""
        return self._reading.references(path, **filters)

    def delete_instance(self, path: ObjectPath) -> None:
        """As ``Providers.delete_instance``."""
        self._turn.keeping().delete_instance(path)

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        """As ``Providers.invoke_method``."""
        providers = self._turn.keeping().in_language(self._language)
        return providers.invoke_method(path, method_name, parameters)

    def start_indications(self, sink: IndicationSink) -> None:
        """As ``Providers.start_indications``, and later where another process has the state."""
        self._turn.tell(sink)

    def subscriptions_changed(self) -> None:
        """As ``Providers.subscriptions_changed``."""
        self._turn.providers.subscriptions_changed()

    def stop_indications(self) -> None:
        """As ``Providers.stop_indications``."""
        self._turn.tell_no_more()
