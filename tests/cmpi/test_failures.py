"""What a failure becomes: a status with a text, and a CIM_Error where the server can carry one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as File

import pytest

from tests.cmpi.conftest import Serve
from tests.cmpi.paths import one
from tests.cmpi.server import KINDS, Answer, Server
from tests.cmpi.words import Instance

EXCEPTIONS = (
    "RuntimeError",
    "SystemExit",
    "KeyboardInterrupt",
    "MemoryError",
    "RecursionError",
    "GeneratorExit",
)
OPERATIONS = (
    "getInstance",
    "deleteInstance",
    "associators",
    "associatorNames",
    "references",
    "referenceNames",
    "invokeMethod",
)


def asked(server: Server, operation: str, identity: str, **options: str) -> Answer:
    """Any operation on an instance that fails."""
    path = one(identity)
    if operation == "invokeMethod":
        return server.invoke(server.interface("method"), path, "Echo", {}, **options)
    if operation in ("getInstance", "deleteInstance"):
        return server.read(server.interface("instance"), operation, path, **options)
    texts = (None,) * (2 if operation.startswith("reference") else 4)
    return server.read(server.interface("association"), operation, path, *texts, **options)


@pytest.mark.parametrize("status", range(1, 29))
def test_each_status_arrives_with_its_text(server: Server, status: int) -> None:
    answer = asked(server, "getInstance", f"status {status}")
    assert (answer.status, answer.message) == (status, f"this is {status} \u2013 ja")


@pytest.mark.parametrize("status", [0, -1, 29, 50, 1000])
def test_what_is_no_cim_status_is_a_failure(server: Server, status: int) -> None:
    assert asked(server, "getInstance", f"status {status}").status == 1


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_no_exception_leaves_python(server: Server, operation: str, exception: str) -> None:
    answer = asked(server, operation, f"raise {exception}")
    assert answer.status == 1
    assert answer.message is not None
    assert answer.message.startswith("ERR_UNKNOWN: ")
    assert "incident" in answer.message
    # And everything goes on.
    assert asked(server, "getInstance", "id 1").status == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_coded_failure_has_its_code_in_its_text(server: Server, operation: str) -> None:
    answer = asked(server, operation, "coded ERR_OUT_OF_DISK_SPACE")
    assert answer.status == 1
    assert answer.message == "ERR_OUT_OF_DISK_SPACE: because <of> “that”"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_cim_error_goes_with_it_where_the_server_can_carry_one(
    pegasus: Server, operation: str
) -> None:
    (error,) = asked(pegasus, operation, "coded ERR_OUT_OF_DISK_SPACE").errors
    assert error["OwningEntity"] == ("string", "virtcim")
    assert error["MessageID"] == ("string", "ERR_OUT_OF_DISK_SPACE")
    assert error["Message"] == ("string", "ERR_OUT_OF_DISK_SPACE: because <of> “that”")
    assert error["CIMStatusCode"] == ("sint32", 1)
    assert error["PerceivedSeverity"][1] in range(2, 7)
    assert error["ErrorSource"][1].startswith("root/virt:Test_Everything.Id=")
    assert error["ErrorSourceFormat"] == ("sint32", 2)
    assert error["ProbableCauseDescription"][1]
    kind, actions = error["RecommendedActions"]
    assert kind == "array string"
    assert actions
    assert "CIMStatusCodeDescription" in error
    assert "MessageArguments" in error


@pytest.mark.parametrize("flavour", ["sfcb", "promising", "modest"])
def test_it_does_not_where_the_server_cannot(serve: Serve, library: File, flavour: str) -> None:
    server = serve(flavour)
    server.load(library)
    # A function that is called beyond the end of a table ends the server.
    assert asked(server, "getInstance", "coded ERR_OUT_OF_DISK_SPACE").errors == []


WHOLE = Instance(path=one("id 1"))
EVERY_CALL: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("getInstance", "deleteInstance"), ("instance", ())),
    **dict.fromkeys(("enumerateInstances", "enumerateInstanceNames"), ("instance", ())),
    **{name: ("instance", (WHOLE.words(),)) for name in ("createInstance", "modifyInstance")},
    "execQuery": ("instance", ("-", "-")),
    **dict.fromkeys(("associators", "associatorNames"), ("association", ("-",) * 4)),
    **dict.fromkeys(("references", "referenceNames"), ("association", ("-",) * 2)),
    "invokeMethod": ("method", ("Echo", "0")),
    **dict.fromkeys(("authorizeFilter", "activateFilter"), ("indication", ("X", "Y"))),
    **dict.fromkeys(("mustPoll", "deActivateFilter"), ("indication", ("X", "Y"))),
}


@pytest.mark.parametrize("host", ["failing", "failing_later"])
def test_nothing_that_ends_a_thread_leaves_any_call(
    serve: Serve, another_library: Callable[..., File], host: str
) -> None:
    server = serve("Pegasus")
    server.load(another_library(host=f"tests.cmpi.hosts:{host}"))
    for operation, (kind, words) in EVERY_CALL.items():
        answer = server.run(server.interface(kind), operation, one("id 1").words(), "-", *words)
        if operation != "deActivateFilter":
            assert answer.status in (1, 7, 15), operation
            assert answer.message, operation
    for operation in ("enableIndications", "disableIndications"):
        assert server.run(server.interface("indication"), operation).status in (0, 1)
    opened = [server.interface(kind) for kind in KINDS]
    assert [server.clean_up(each, terminating=True).status for each in opened] == [0, 0, 0, 1]
    assert server.command("contexts").contexts == 0


@pytest.mark.parametrize("slot", ["newCMPIError", "returnError", "setErrorSource"])
def test_a_server_without_one_of_these_functions_is_given_the_status(
    serve: Serve, library: File, slot: str
) -> None:
    server = serve("Pegasus")
    server.load(library)
    server.command(f"without {slot}")
    answer = asked(server, "getInstance", "coded ERR_OUT_OF_DISK_SPACE")
    assert (answer.status, answer.message) == (
        1,
        "ERR_OUT_OF_DISK_SPACE: because <of> “that”",
    )
    assert len(answer.errors) == (slot == "setErrorSource")


def test_a_failure_is_told_in_the_language_of_its_reader(server: Server) -> None:
    english = asked(server, "getInstance", "id x y", language="fr, en;q=0.5")
    german = asked(server, "getInstance", "id x y", language="de-AT, en;q=0.5")
    assert english.message != german.message
    assert english.message is not None
    assert german.message is not None
    assert english.message.startswith("ERR_UNKNOWN: ")
    assert german.message.startswith("ERR_UNKNOWN: ")


@pytest.mark.parametrize("slot", ["newInstance", "newArray"])
def test_a_server_that_lacks_what_is_needed_is_told_so(
    serve: Serve, library: File, slot: str
) -> None:
    server = serve("sfcb")
    server.load(library)
    server.command(f"without {slot}")
    answer = server.try_open()
    assert (answer.status, answer.provider) == (1, -1)
    assert f"the CIM server has no {slot}" in server.log


def test_a_server_without_results_is_told_so(serve: Serve, library: File) -> None:
    server = serve("Pegasus")
    server.load(library)
    server.command("without returnInstance")
    answer = server.read(server.open(), "getInstance", one("id 1"))
    assert (answer.status, answer.message) == (1, "the CIM server has no returnInstance")


def test_a_server_without_entries_in_its_contexts_is_served(serve: Serve, library: File) -> None:
    server = serve("sfcb")
    server.load(library)
    server.command("without getEntry")
    assert server.read(server.open(), "getInstance", one("id 1")).status == 0
