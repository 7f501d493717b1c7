"""A plan is carried out whole, or everything is as it was before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from virtcim.registration import (
    Command,
    Plan,
    RegistrationError,
    RemoveDirectory,
    RemoveFile,
    Step,
    ToolError,
    ToolMissingError,
    WriteFile,
    carry_out,
    find_tool,
    run_command,
)


class _Tools:
    """Records the commands; the one that is named fails."""

    def __init__(self, failing: str = "", error: Callable[[], BaseException] | None = None) -> None:
        self.commands: list[str] = []
        self._failing = failing
        self._error = error or (lambda: ToolError((failing,), 3, "it broke\n"))

    def __call__(self, command: Command) -> str:
        self.commands.append(" ".join(command.words))
        if command.words[0] == self._failing:
            raise self._error()
        return ""


def _step(name: str) -> Step:
    return Step(
        purpose=name,
        action=Command(words=(name,)),
        undo=(Command(words=(f"un{name}", "first")), Command(words=(f"un{name}", "then"))),
    )


def test_steps_are_done_in_their_order_and_each_is_told_before() -> None:
    tools = _Tools()
    told: list[tuple[str, int]] = []
    plan = Plan(steps=(_step("a"), _step("b")))
    carry_out(plan, tools, lambda step: told.append((step.purpose, len(tools.commands))))
    assert tools.commands == ["a", "b"]
    assert told == [("a", 0), ("b", 1)]


@pytest.mark.parametrize("failing", ["a", "b", "c"])
def test_what_was_begun_is_taken_back_in_reverse_order(failing: str) -> None:
    tools = _Tools(failing)
    with pytest.raises(RegistrationError) as caught:
        carry_out(Plan(steps=(_step("a"), _step("b"), _step("c"))), tools)
    begun = [name for name in "abc" if name <= failing]
    undone = [f"un{name} {part}" for name in reversed(begun) for part in ("first", "then")]
    assert tools.commands == [*begun, *undone]
    assert caught.value.step.purpose == failing
    assert caught.value.reason == f"`{failing}` failed with exit status 3:\n  it broke"
    assert caught.value.undone == tuple(reversed(begun))
    assert caught.value.left == ()


def test_an_undo_that_fails_keeps_nothing_else_from_being_taken_back() -> None:
    class _More(_Tools):
        def __call__(self, command: Command) -> str:
            super().__call__(command)
            if command.words == ("unb", "first"):
                raise ToolError(command.words, 1, "no")
            return ""

    tools = _More("c")
    with pytest.raises(RegistrationError) as caught:
        carry_out(Plan(steps=(_step("a"), _step("b"), _step("c"))), tools)
    assert tools.commands[-3:] == ["unb then", "una first", "una then"]
    assert caught.value.undone == ("c", "a")
    assert caught.value.left == ("unb first: `unb first` failed with exit status 1:\n  no",)


def test_somebody_who_interrupts_leaves_everything_as_it_was() -> None:
    tools = _Tools("b", KeyboardInterrupt)
    with pytest.raises(RegistrationError, match="interrupted") as caught:
        carry_out(Plan(steps=(_step("a"), _step("b"))), tools)
    assert caught.value.undone == ("b", "a")


def test_files_are_put_back_byte_for_byte(tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    library.write_bytes(b"\x7fELF\xff\x00")
    text = tmp_path / "old.mof"
    text.write_text("before")
    new = tmp_path / "made" / "new.mof"
    steps = (
        Step(
            purpose="new",
            action=WriteFile(path=new, content="x"),
            undo=(RemoveDirectory(path=new.parent),),
        ),
        Step(purpose="old", action=WriteFile(path=text, content="after")),
        Step(purpose="library", action=RemoveFile(path=library)),
        Step(purpose="failing", action=Command(words=("failing",))),
    )
    with pytest.raises(RegistrationError):
        carry_out(Plan(steps=steps), _Tools("failing"))
    assert library.read_bytes() == b"\x7fELF\xff\x00"
    assert text.read_text() == "before"
    assert not new.parent.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library.so", "old.mof"]


def test_a_file_that_cannot_be_written_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    step = Step(purpose="write", action=WriteFile(path=tmp_path / "file" / "x", content=""))
    tools = _Tools()
    with pytest.raises(RegistrationError, match="file") as caught:
        carry_out(Plan(steps=(_step("a"), step)), tools)
    assert caught.value.step is step
    assert tools.commands == ["a", "una first", "una then"]


def test_a_directory_that_holds_something_stays(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    step = Step(purpose="r", action=RemoveDirectory(path=tmp_path / "full"))
    carry_out(Plan(steps=(step,)), _Tools())
    assert (tmp_path / "full" / "x").exists()


def _python(text: str, absent: tuple[str, ...] = ()) -> Command:
    return Command(words=(sys.executable, "-c", text), absent=absent)


def test_a_program_that_fails_is_told_with_its_command_status_and_output() -> None:
    with pytest.raises(ToolError) as caught:
        run_command(_python("import sys; print('out'); sys.exit('and $HOME; err')"))
    assert caught.value.status == 1
    assert sys.executable in str(caught.value)
    assert "failed with exit status 1:\n  out\n  and $HOME; err" in str(caught.value)


def test_no_shell_sees_the_words_of_a_command() -> None:
    words = (sys.executable, "-c", "import sys; print(sys.argv[1])", "$(echo x); y")
    assert run_command(Command(words=words)) == "$(echo x); y\n"


def test_taking_away_what_is_not_there_counts_as_done() -> None:
    failing = "import sys; sys.exit('CIM_ERR_NOT_FOUND: X')"
    assert run_command(_python(failing, ("CIM_ERR_NOT_FOUND",))) == ""
    with pytest.raises(ToolError):
        run_command(_python(failing, ("CIM_ERR_ACCESS_DENIED",)))


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="could not be run") as caught:
        run_command(Command(words=(str(tmp_path / "none"),)))
    assert caught.value.status is None


def test_a_program_that_is_not_there_is_told_with_who_brings_it(tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match=r"no cimmof in .*; it comes with OpenPegasus"):
        find_tool("cimmof", "OpenPegasus", tmp_path)
