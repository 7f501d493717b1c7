"""What is to be registered, whichever server: the namespaces, the classes, and their schema."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from virtcim.cli.hypervisors import OptionError, hypervisor_names
from virtcim.cli.startup import SYSTEM_CONFIGURATION
from virtcim.mof import (
    SYSTEM_CACHE,
    Schema,
    SchemaError,
    cache_directory,
    ensure_schema,
    load_schema,
)
from virtcim.providers import ROOT
from virtcim.registration import Finding, SystemSchema, carried_namespaces, system_schema
from virtcim.registration.carrying import Server

__all__ = ["options_of_serve", "schema_of_machine", "served_namespaces", "wanted_schema"]


def served_namespaces(
    server: Server, hypervisors: Sequence[str] | None, config: Path | None
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The namespaces of the hypervisors that the server can have. Raises OptionError."""
    options = hypervisors or options_of_serve(config).get("hypervisor", ())
    names = hypervisor_names(_list(options)) if options else ("",)
    return carried_namespaces(server, (f"{ROOT}/{name}" if name else ROOT for name in names))


def options_of_serve(config: Path | None) -> Mapping[str, Any]:
    """The table ``serve`` of a file, which virtcim serve --config reads, too.

    None stands for the system's, which may be missing. Raises OptionError.
    """
    path = config or SYSTEM_CONFIGURATION
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("serve")
    except FileNotFoundError as error:
        if config is not None:
            raise OptionError(f"there is no file {path}") from error
        return {}
    except (OSError, ValueError) as error:
        raise OptionError(f"cannot read {path}: {error}") from error
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


@contextmanager
def wanted_schema(progress: Callable[[str], None]) -> Iterator[Schema]:
    """The compiled schema; where nobody has one it is made aside. Raises SchemaError."""
    try:
        found = load_schema()
    except SchemaError:
        found = None
    if found is not None:
        yield found
        return
    with TemporaryDirectory(prefix="virtcim-schema-") as aside:
        ensure_schema(Path(aside), progress)
        yield load_schema(Path(aside))


def schema_of_machine() -> SystemSchema:
    """The schema that the providers read whoever they run as. Raises SchemaError."""
    return system_schema(SYSTEM_CACHE, cache_directory())
