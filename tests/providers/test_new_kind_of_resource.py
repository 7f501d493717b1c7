"""A new kind of resource is one module, its MOF, and a row in the registry: nothing else changes.

A kind that nobody has heard of is added to a copy of the tree, and the copy is asked for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

from virtcim.mof import ensure_schema
from virtcim.providers.resources.registry import KINDS

ROOT = Path(__file__).parents[2]
MADE_UP = Path(__file__).parent / "made_up_kind"
REGISTRY = "providers/resources/registry.py"
IMPORT_BEFORE = "from virtcim.providers.resources.processor import PROCESSORS\n"
IMPORT = "from virtcim.providers.resources.watchdog import WATCHDOGS\n"
ROW, ROW_WITH = "NETWORK_PORTS, CONSOLES)", "NETWORK_PORTS, CONSOLES, WATCHDOGS)"
INCLUDE = '#pragma include ("resource_allocation.mof")\n'


def copied_rooms(into: Path) -> Path:
    """All rooms under their package names: those that are added to as copies."""
    package = into / "virtcim"
    package.mkdir()
    for room in sorted(each.parent for each in ROOT.glob("*/py.typed")):
        if room.name in ("providers", "mof"):
            shutil.copytree(room, package / room.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (package / room.name).symlink_to(room)
    return package


def replaced(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def add_watchdogs(package: Path) -> None:
    shutil.copy(MADE_UP / "watchdog.py", package / "providers/resources/watchdog.py")
    shutil.copy(MADE_UP / "watchdog.mof", package / "mof/watchdog.mof")
    replaced(package / REGISTRY, IMPORT_BEFORE, IMPORT_BEFORE + IMPORT)
    replaced(package / REGISTRY, ROW, ROW_WITH)
    replaced(package / "mof/virtcim.mof", INCLUDE, INCLUDE + '#pragma include ("watchdog.mof")\n')


def touched(package: Path) -> set[str]:
    """The files that are not as they are in the project."""
    return {
        str(file.relative_to(package))
        for room in ("providers", "mof")
        for file in (package / room).rglob("*")
        if file.is_file()
        and "__pycache__" not in file.parts
        and not (
            (original := ROOT / file.relative_to(package)).is_file()
            and original.read_bytes() == file.read_bytes()
        )
    }


def test_no_two_kinds_answer_to_the_same_number_or_name() -> None:
    definitions = [kind.definition for kind in KINDS if kind.definition is not None]
    numbers = [number for each in definitions for number in each.resource_types]
    names = [name.lower() for each in definitions for name in each.class_names]
    assert len(set(numbers)) == len(numbers)
    assert not [(one, two) for one, two in permutations(names, 2) if one.endswith(two)]
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_what_can_be_asked_for_is_there_in_every_system_or_can_be_added() -> None:
    assert not [
        kind.name for kind in KINDS if kind.definition and not kind.single and not kind.plugging
    ]


def test_a_made_up_kind_of_resource_is_a_module_its_mof_and_a_row(tmp_path: Path) -> None:
    package = copied_rooms(tmp_path)
    add_watchdogs(package)
    cache = tmp_path / "cache"
    cache.mkdir()
    shutil.copy(ensure_schema().parent / "dmtf-cim-schema.zip", cache)
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-k", "watchdog or association_is_the_same"),
            *(str(MADE_UP / "check_watchdogs.py"), "tests/providers/test_conformance.py"),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONPATH": str(tmp_path),
            "VIRTCIM_CACHE": str(cache),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert touched(package) == {
        "providers/resources/watchdog.py",
        REGISTRY,
        "mof/watchdog.mof",
        "mof/virtcim.mof",
    }
