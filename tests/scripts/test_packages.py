"""What is installed: every folder of code, not only what an editable installation finds."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


def _settings() -> dict[str, Any]:
    document = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = document["tool"]["setuptools"]
    return settings


def test_every_package_is_installed() -> None:
    settings = _settings()
    rooms = {folder: package for package, folder in settings["package-dir"].items()}
    found = {
        ".".join([rooms[folder], *init.parent.relative_to(_ROOT / folder).parts])
        for folder in rooms
        for init in (_ROOT / folder).rglob("__init__.py")
    }
    assert found == set(settings["packages"])


def test_every_file_that_is_no_code_is_installed_with_its_package() -> None:
    settings = _settings()
    # Copies that scripts/setup makes are installed where they are, and missed nowhere.
    made = (".pyc", ".toml.json")
    missing = []
    for package, folder in settings["package-dir"].items():
        for path in (_ROOT / folder).rglob("*"):
            if path.is_dir() or path.suffix == ".py" or path.name.endswith(made):
                continue
            holders = [each for each in path.parents if (each / "__init__.py").exists()]
            holder = holders[0]
            name = ".".join([package, *holder.relative_to(_ROOT / folder).parts])
            patterns = (*settings["package-data"].get(name, ()), *settings["package-data"]["*"])
            if not any(path.relative_to(holder).match(pattern) for pattern in patterns):
                missing.append(str(path.relative_to(_ROOT)))
    assert missing == []
