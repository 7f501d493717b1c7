"""What an sfcb has: the MOF files that it compiles, and what is staged.

sfcb is registered with while nobody needs it: files are staged, and sfcbrepos compiles the DMTF's
schema and what is staged of a namespace into a new repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pywbem import CIMClass

from virtcim.registration.model import Model, is_own

__all__ = [
    "Directories",
    "SfcbState",
    "Tools",
    "assumed_state",
    "packaged_directories",
    "sfcb_state",
]

_SCHEMA_FILE = "CIM_Schema.mof"
# Where distributions keep the schema that sfcbrepos compiles.
_SCHEMAS = ("/usr/share/sfcb/CIM", "/usr/share/mof/cim-current")
_CLASS = re.compile(r"^[ \t]*class\s+(\w+)", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(r'\bVersion\s*\(\s*"([^"]*)"', re.IGNORECASE)
REGISTRATION_FILE = "virtcim.reg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The paths of sfcb's programs."""

    sfcbstage: str = "sfcbstage"
    sfcbunstage: str = "sfcbunstage"
    sfcbrepos: str = "sfcbrepos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """Where sfcb keeps what is staged, what is registered, and the schema."""

    stage: Path
    registration: Path
    schema: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SfcbState:
    """``versions`` are those of the classes that there are, by namespace and lower-case name.

    ``staged`` are our own files that are staged, by their path, and ``registered`` whether the
    server's list of providers holds our whole registration file, ``compiled`` the namespaces that
    are in the repository.
    """

    versions: Mapping[str, Mapping[str, str]]
    staged: Mapping[Path, str] = field(default_factory=lambda: MappingProxyType({}))
    register: str = ""
    compiled: frozenset[str] = frozenset()


def packaged_directories() -> Directories:
    """Where sfcb's packages have them."""
    schemas = [Path(name) for name in _SCHEMAS]
    return Directories(
        stage=Path("/var/lib/sfcb/stage"),
        registration=Path("/var/lib/sfcb/registration"),
        schema=next((path for path in schemas if (path / _SCHEMA_FILE).exists()), schemas[0]),
    )


def assumed_state(model: Model) -> SfcbState:
    """An sfcb that has the DMTF's schema as we know it, and nothing of ours."""
    return SfcbState(
        versions={
            name: {
                one.classname.lower(): _version(one) for one in classes if not is_own(one.classname)
            }
            for name, classes in model.classes.items()
        }
    )


def _version(declared: CIMClass) -> str:
    found = declared.qualifiers.get("Version")
    return "" if found is None else str(found.value)


def mof_name(namespace: str) -> str:
    """The name of our file of a namespace; it is compiled behind sfcb's own, which are numbered."""
    return f"virtcim-{namespace.replace('/', '-')}.mof"


def sfcb_state(namespaces: Iterable[str], places: Directories) -> SfcbState:
    """What there is. Raises OSError."""
    if not (places.schema / _SCHEMA_FILE).exists():
        raise FileNotFoundError(
            f"there is no {places.schema / _SCHEMA_FILE}, which sfcb compiles: --schema names its "
            "directory"
        )
    names = tuple(namespaces)
    schema = _versions(places.schema.rglob("*.mof"))
    everywhere = _versions((places.stage / "mofs").glob("*.mof"))
    staged = {path: _text(path) for path in _our_files(names, places.stage) if path.exists()}
    register = places.registration / "providerRegister"
    return SfcbState(
        versions={
            name: {**schema, **everywhere, **_versions(_others(places.stage, name))}
            for name in names
        },
        staged=staged,
        register=_text(register) if register.exists() else "",
        compiled=frozenset(
            name
            for name in names
            if any((places.registration / "repository" / name).glob("classSchemas*"))
        ),
    )


def _our_files(namespaces: Iterable[str], stage: Path) -> Iterable[Path]:
    yield stage / "regs" / REGISTRATION_FILE
    yield from (stage / "mofs" / name / mof_name(name) for name in namespaces)


def _others(stage: Path, namespace: str) -> Iterable[Path]:
    files = (stage / "mofs" / namespace).glob("*.mof")
    return (path for path in files if path.name != mof_name(namespace))


def _versions(files: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files:
        text = _text(path)
        end = 0
        for match in _CLASS.finditer(text):
            versions = _VERSION.findall(text, end, match.start())
            found[match[1].lower()] = versions[0] if versions else ""
            end = match.end()
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
