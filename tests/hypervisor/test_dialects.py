"""The dialect in a hypervisor's URL chooses the client."""

from __future__ import annotations

import pytest

from virtcim.errormap import HypervisorError
from virtcim.hypervisor import Credentials, XenApiEndpoint, open_endpoint
from virtcim.hypervisor.model import ConsoleKind, PowerOperation, PowerState
from virtcim.hypervisor.xenapi.words import console_kind, power_state, system_types, transition
from virtcim.wire import parse_endpoint_url


def test_a_xenapi_url_opens_the_xenapi_client() -> None:
    endpoint = open_endpoint(
        parse_endpoint_url("xapi+unix:///nowhere/xapi.sock"),
        name="one",
        credentials=Credentials(username="root", password="secret"),
    )
    try:
        assert isinstance(endpoint, XenApiEndpoint)
        assert endpoint.name == "one"
        assert endpoint.wait_attempted(30)
        with pytest.raises(HypervisorError):
            endpoint.inventory()
    finally:
        endpoint.close()


def test_a_dialect_that_is_not_spoken_is_refused_naming_those_that_are() -> None:
    with pytest.raises(
        ValueError, match=r"the dialect of xend\+unix:///x is not supported; xapi is"
    ):
        open_endpoint(parse_endpoint_url("xend+unix:///x"))


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ((), None),
        (("migrate_send", "snapshot"), None),
        (("snapshot", "start_on"), PowerOperation.START),
        (("resume_on",), PowerOperation.RESUME),
        (("destroy",), PowerOperation.HARD_SHUTDOWN),
        (("shutdown",), PowerOperation.CLEAN_SHUTDOWN),
        *(((operation.value,), operation) for operation in PowerOperation),
    ],
)
def test_operations_in_progress_tell_where_the_machine_goes(
    operations: tuple[str, ...], expected: PowerOperation | None
) -> None:
    assert transition(operations) is expected


def test_words_of_others_are_taken_for_what_is_certain() -> None:
    assert power_state("running") is PowerState.RUNNING
    assert power_state("crashed") is PowerState.UNKNOWN
    assert console_kind("vt100") is ConsoleKind.TEXT
    assert console_kind("rfb") is console_kind("spice") is ConsoleKind.GRAPHICAL
    assert console_kind("teletype") is ConsoleKind.OTHER
    assert system_types(["xen-3.0-x86_64", "hvm-3.0-x86_32"]) == ("hvm", "pv")
    assert system_types(["kvm"]) == system_types([]) == ("hvm",)
