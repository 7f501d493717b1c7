"""The room is pure: no I/O, no transport, no clock, and nothing but the standard library."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import virtcim.cim
import virtcim.errormap

_ROOM = Path(str(virtcim.cim.__file__)).parent
_MODULES = [
    "virtcim.cim",
    *(one.name for one in pkgutil.walk_packages(virtcim.cim.__path__, "virtcim.cim.")),
]
# What of the standard library computes and does nothing else.
_PURE = frozenset(
    {
        *("__future__", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum"),
        *("fractions", "functools", "itertools", "math", "operator", "re", "types", "typing"),
        "xml.parsers",
    }
)
_ROOMS = ("virtcim.cim", "virtcim.errormap")
_ACTIONS = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__"})
_CLOCK = frozenset({"now", "utcnow", "today"})


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an import names its package"
            yield str(node.module)


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield f".{node.func.attr}"


def _is_allowed(name: str) -> bool:
    if name.startswith("virtcim."):
        return name.startswith(_ROOMS)
    return name in _PURE or name.partition(".")[0] in _PURE


def impurities(source: str) -> list[str]:
    """What a module imports or calls that does more than compute."""
    tree = ast.parse(source)
    found = [f"import {name}" for name in _imports(tree) if not _is_allowed(name)]
    return found + [
        f"{name}()"
        for name in _calls(tree)
        if name in _ACTIONS or (name.startswith(".") and name[1:] in _CLOCK)
    ]


@pytest.mark.parametrize("path", sorted(_ROOM.rglob("*.py")), ids=lambda path: path.stem)
def test_a_module_computes_and_does_nothing_else(path: Path) -> None:
    assert impurities(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        *("import socket", "import ssl", "from http import client", "import asyncio"),
        *("import threading", "from time import time", "import pywbem", "import starlette"),
        *("from virtcim.providers import failure", "from virtcim import mof", "import os.path"),
        *("import xml.etree.ElementTree", "open('x')", "datetime.now()", "def f():\n import io"),
    ],
)
def test_what_does_more_is_noticed(source: str) -> None:
    assert impurities(source)


def test_the_room_works_alone_in_a_python_without_other_packages(tmp_path: Path) -> None:
    package = tmp_path / "virtcim"
    package.mkdir()
    (package / "cim").symlink_to(_ROOM)
    (package / "errormap").symlink_to(Path(str(virtcim.errormap.__file__)).parent)
    program = (
        f"import importlib, sys; sys.path.insert(0, {str(tmp_path)!r});"
        f"[importlib.import_module(name) for name in {_MODULES!r}];"
        "roots = {name.partition('.')[0] for name in sys.modules} - {'virtcim', '__main__'};"
        "print(sorted(roots - set(sys.stdlib_module_names)));"
        "print(sorted(roots & {'socket', 'ssl', 'http', 'asyncio', 'threading', 'sqlite3'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == ["[]", "[]"]
