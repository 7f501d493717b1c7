"""Loading the files that providers are in, and finding who serves a class."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pywbem

from virtcim.cim.records import CimError
from virtcim.errormap import ErrorCode
from virtcim.providers import failure

__all__ = ["LoadedModule", "Modules"]

_log = logging.getLogger(__name__)
# The end of a traceback says what is wrong; all of it goes to the log.
_SHOWN_LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModule:
    """A module of providers; ``providers`` by the names of their classes in lower case.

    ``classes`` has those names as the module gave them.
    """

    module: ModuleType
    providers: dict[str, Any]
    classes: dict[str, str]

    def call(self, function: str, *arguments: Any) -> Any:
        """Call one of its functions, if it has it; what that gave."""
        found = getattr(self.module, function, None)
        return None if found is None else found(*arguments)


class Modules:
    """What was loaded from some files; safe in many threads.

    A file that cannot be loaded is tried again as long as somebody asks for a class that nobody
    else serves.
    """

    def __init__(self, files: Sequence[Path], environment: Callable[[], Any]) -> None:
        self._environment = environment
        self._lock = threading.RLock()
        self._loaded: list[LoadedModule] = []
        self._missing = list(files)

    def load(self) -> None:
        """Load what is not loaded yet. Raises CimError for the first that cannot be."""
        with self._lock:
            problem: Exception | None = None
            for file in list(self._missing):
                try:
                    loaded = _load(file, self._environment())
                except Exception as error:  # noqa: BLE001 - anything can go wrong in an import
                    problem = problem or _told(file, error)
                    continue
                self._loaded.append(loaded)
                self._missing.remove(file)
            if problem is not None:
                raise problem

    def load_others(self) -> None:
        """Load what can be loaded; what cannot is told to whoever asks for it."""
        try:
            self.load()
        except Exception:  # noqa: BLE001 - of whatever kind
            _log.exception("not all providers are there")

    def __iter__(self) -> Iterator[LoadedModule]:
        return iter(list(self._loaded))

    def owner(self, class_name: str) -> LoadedModule | None:
        """The module that serves a class, None where there is none. Raises CimError."""
        name = class_name.lower()
        found = next((one for one in self._loaded if name in one.providers), None)
        if found is None and self._missing:
            self.load()
            found = next((one for one in self._loaded if name in one.providers), None)
        return found

    def provider(self, class_name: str) -> Any | None:
        """What serves a class, None where nothing does. Raises CimError."""
        owner = self.owner(class_name)
        return None if owner is None else owner.providers[class_name.lower()]

    def classes(self) -> dict[str, Any]:
        """All that is served, by the names of the classes as their modules gave them."""
        return {
            module.classes[name]: provider
            for module in self
            for name, provider in module.providers.items()
        }

    def unload(self) -> None:
        """Have each module end, the last one first, and forget it."""
        with self._lock:
            while self._loaded:
                one = self._loaded.pop()
                try:
                    one.call("shutdown", self._environment())
                except Exception:  # noqa: BLE001 - the others end, too
                    _log.exception("%s could not be shut down", one.module.__file__)
                sys.modules.pop(one.module.__name__, None)


def _load(file: Path, environment: Any) -> LoadedModule:
    # Providers import others of their directory.
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    name = file.stem if file.stem not in sys.modules else f"{file.stem} of {file.parent}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no file of Python")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        if hasattr(module, "init"):
            module.init(environment)
        given = module.get_providers(environment)
        providers = {class_name.lower(): one for class_name, one in given.items()}
        return LoadedModule(
            module=module,
            providers=providers,
            classes={class_name.lower(): class_name for class_name in given},
        )
    except BaseException:
        del sys.modules[name]
        raise


def _told(file: Path, error: Exception) -> Exception:
    """What a client is told of a file that cannot be loaded."""
    _log.error("the provider %s cannot be loaded", file, exc_info=error)
    if isinstance(error, CimError | pywbem.CIMError):
        return error
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    end = "\n".join(lines[-_SHOWN_LINES:])
    return failure(ErrorCode.ERR_OPERATION_FAILED, f"the provider {file} cannot be loaded: {end}")
