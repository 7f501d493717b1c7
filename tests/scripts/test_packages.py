"""What is installed: every folder of code, not only what an editable installation finds."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_every_package_is_installed() -> None:
    configuration = ConfigParser()
    configuration.read(_ROOT / "setup.cfg", encoding="utf-8")
    rooms = {
        folder: package
        for package, _, folder in (
            line.partition(" = ")
            for line in configuration["options"]["package_dir"].split("\n")
            if line
        )
    }
    found = {
        ".".join([rooms[folder], *init.parent.relative_to(_ROOT / folder).parts])
        for folder in rooms
        for init in (_ROOT / folder).rglob("__init__.py")
    }
    assert found == set(configuration["options"]["packages"].split())
