"""Steps that belong together: taken back in the reverse order, and named where that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from virtcim.errormap import ErrorCode, from_xapi, translate
from virtcim.toolstack.faults import XapiFailure, handle_invalid
from virtcim.toolstack.machines.transaction import Transaction


def fails(code: str, *arguments: str) -> Callable[[], None]:
    def step() -> None:
        raise XapiFailure(code, *arguments)

    return step


def run(*undo: tuple[Callable[[], object], str], failure: XapiFailure) -> None:
    """Make a step for each of these, and fail."""
    with Transaction() as steps:
        for take_back, what in undo:
            steps.taken_back_by(take_back, what)
        raise failure


def test_what_succeeds_stays() -> None:
    with Transaction() as steps:
        steps.taken_back_by(fails("NEVER"), "a")


def test_the_last_step_is_taken_back_first_and_the_failure_is_told_as_it_was() -> None:
    undone: list[str] = []
    steps = [(lambda: undone.append("a"), "a"), (lambda: undone.append("b"), "b")]
    with pytest.raises(XapiFailure) as caught:
        run(*steps, failure=handle_invalid("VBD", "x"))
    assert undone == ["b", "a"]
    assert caught.value.description == ("HANDLE_INVALID", "VBD", "x")


def test_what_cannot_be_taken_back_is_named_with_what_had_failed() -> None:
    undone: list[str] = []
    steps = [(lambda: undone.append("a"), "a"), (fails("SR_FULL", "1", "2"), "the new image")]
    with pytest.raises(XapiFailure) as caught:
        run(*steps, failure=handle_invalid("VBD", "x"))
    # The others are taken back all the same.
    assert undone == ["a"]
    assert caught.value.description == (
        "ROLLBACK_FAILED",
        "the new image",
        "SR_FULL 1 2",
        "Server_error(HANDLE_INVALID, [ VBD; x ])",
    )
    fault = from_xapi(list(caught.value.description), operation="VM.modify")
    assert fault.cause is not None
    assert fault.cause.code == "HANDLE_INVALID"
    assert translate(fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    assert "the new image" in translate(fault).message
