"""Limits are options of the daemons: by name, within a range, from wherever options come."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from virtcim.cimserver.limits import Limits as ServeLimits
from virtcim.cli import serve
from virtcim.cli import toolstack as toolstack_command
from virtcim.cli.daemon import ConfigOption, register_daemon
from virtcim.cli.limits import with_limits
from virtcim.daemon.limits import Limit, limits_of
from virtcim.toolstack.limits import Limits as ToolstackLimits

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
# They reach the reader of messages as `Limits.message`.
_READ_BY_THE_LIMITS = ("request_depth", "request_elements")
_BOTH = [
    pytest.param(ServeLimits, serve.register, "serve", _DOCS / "cim-server.md", id="serve"),
    pytest.param(
        *(ToolstackLimits, toolstack_command.register, "toolstack", _DOCS / "toolstack.md"),
        id="toolstack",
    ),
]
_EACH = [
    pytest.param(limits, one, id=f"{limits.__module__.split('.')[1]}-{one.option}")
    for limits in (ServeLimits, ToolstackLimits)
    for one in limits_of(limits)
]


class _Command:
    """A daemon's command that only keeps its limits."""

    def __init__(self, limits: type[Any]) -> None:
        self.given: list[Any] = []

        def command(
            config: ConfigOption = None,
            limits: object = None,
        ) -> None:
            self.given.append(limits)

        self._application = typer.Typer()
        self._application.callback()(lambda: None)
        register_daemon(self._application, "guard", with_limits(command, limits))

    def run(self, *words: str, **environment: str) -> str:
        """Run it, and give what it says where it refuses."""
        done = CliRunner().invoke(
            self._application, ["guard", *words], env={"COLUMNS": "200", **environment}
        )
        assert (done.exit_code == 0) == bool(self.given), done.output
        return " ".join(done.output.replace("│", " ").split())


def test_without_options_the_limits_are_the_usual_ones() -> None:
    for limits in (ServeLimits, ToolstackLimits):
        command = _Command(limits)
        command.run()
        assert command.given == [limits()]


@pytest.mark.parametrize(("limits", "limit"), _EACH)
def test_a_limit_can_be_set_on_the_command_line_in_the_environment_and_in_a_file(
    tmp_path: Path, limits: type[Any], limit: Limit
) -> None:
    # In every case the limits go with each other.
    value = max(limit.least, min(limit.most, limit.default)) + (
        0 if limit.parameter == "limit_operation_timeout" else 1
    )
    file = tmp_path / "options.toml"
    file.write_text(f"[guard]\n{limit.option.removeprefix('--')} = {value}\n")
    variable = f"VIRTCIM_GUARD_{limit.parameter.upper()}"
    command = _Command(limits)
    command.run(limit.option, str(value))
    command.run(**{variable: str(value)})
    command.run("--config", str(file))
    assert command.given == 3 * [limits(**{limit.field: value})]
    assert isinstance(getattr(command.given[2], limit.field), type(limit.default))


@pytest.mark.parametrize(("limits", "limit"), _EACH)
def test_a_limit_beyond_its_range_is_refused_by_name_and_range(
    tmp_path: Path, limits: type[Any], limit: Limit
) -> None:
    for value, bound in ((limit.least - 1, limit.least), (limit.most + 1, limit.most)):
        file = tmp_path / "options.toml"
        file.write_text(f"[guard]\n{limit.option.removeprefix('--')} = {value}\n")
        for words, environment in (
            ((limit.option, str(value)), {}),
            ((), {f"VIRTCIM_GUARD_{limit.parameter.upper()}": str(value)}),
            (("--config", str(file)), {}),
        ):
            said = _Command(limits).run(*words, **environment)
            assert limit.option in said
            assert re.search(rf"\b{re.escape(f'{bound:.0f}')}\b", said), said


@cache
def _fields_read(path: Path) -> frozenset[str]:
    """The fields of limits that a module reads."""
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("limits")
    )


@pytest.mark.parametrize(("limits", "limit"), _EACH)
def test_no_limit_is_read_by_nobody(limits: type[Any], limit: Limit) -> None:
    rooms = [each.__module__.split(".")[1] for each in limits.__mro__ if each is not object]
    sources = [path for room in rooms for path in (_ROOT / room).rglob("*.py")]
    sources += (_ROOT / "cli").glob("*.py")
    is_read = any(limit.field in _fields_read(path) for path in sources)
    assert is_read or limit.field in _READ_BY_THE_LIMITS


def test_limits_that_do_not_go_with_each_other_are_named() -> None:
    said = _Command(ServeLimits).run("--limit-operation-timeout", "700")
    assert "--limit-operation-timeout is 700, more than --limit-operation-timeout-max, 600" in said


@pytest.mark.parametrize(("limits", "register", "name", "page"), _BOTH)
def test_every_limit_is_an_option_of_the_daemon_and_in_its_documentation(
    limits: type[Any], register: Callable[[typer.Typer], None], name: str, page: Path
) -> None:
    application = typer.Typer()
    application.callback()(lambda: None)
    register(application)
    command = get_command(application).commands[name]  # type: ignore[attr-defined]
    options = {parameter.name: parameter.default for parameter in command.params}
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `--limit-")
    ]
    expected = []
    for one in limits_of(limits):
        assert options[one.parameter] == one.default
        shown = [f"{number:,.0f}" for number in (one.default, one.least, one.most)]
        expected.append((f"`{one.option}`", one.what, shown[0], f"{shown[1]} to {shown[2]}"))
    assert rows == expected
