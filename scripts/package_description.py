"""README.md as a package index shows it, where a relative link leads nowhere.

Where pyproject.toml names the address of the repository, links lead to the files of this version
there; until then they become text, and the files are in the source distribution.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["addresses", "description", "relative_links", "with_absolute_links"]

_ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CHANGES = "CHANGELOG.md"


def description(root: Path = _ROOT) -> str:
    """README.md for the metadata of the package."""
    project, address = _settings(root)
    readme = (root / "README.md").read_text(encoding="utf-8")
    return with_absolute_links(readme, address, project["version"])


def addresses(root: Path = _ROOT) -> dict[str, str]:
    """The project's addresses by their labels; none where no repository is named."""
    project, address = _settings(root)
    repository = address["repository"]
    if not repository:
        return {}
    return {"Repository": repository, "Changes": _file(address, project["version"], _CHANGES)}


def with_absolute_links(text: str, address: Mapping[str, str], version: str) -> str:
    """The text with every relative link made absolute, or made text where there is no address."""

    def replaced(link: re.Match[str]) -> str:
        if not _is_relative(link["target"]):
            return link[0]
        if address["repository"]:
            there = _file(address, version, link["target"])
            return f"{link['image']}[{link['text']}]({there})"
        path = link["target"].partition("#")[0]
        return link["text"] if path in ("", link["text"]) else f"{link['text']} ({path})"

    return _LINK.sub(replaced, text)


def relative_links(text: str) -> list[str]:
    """Where the links lead that only work beside the other files."""
    return [link["target"] for link in _LINK.finditer(text) if _is_relative(link["target"])]


def _is_relative(target: str) -> bool:
    return not _ABSOLUTE.match(target)


def _file(address: Mapping[str, str], version: str, path: str) -> str:
    repository = address["repository"].rstrip("/")
    return address["file"].format(repository=repository, version=version, path=path)


def _settings(root: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    address: Mapping[str, str] = document["tool"]["virtcim"]["address"]
    return document["project"], address
