"""The indication interface: what is subscribed to is delivered, from threads of the providers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as File

import pytest

from tests.cmpi.conftest import FLAVOURS, Serve
from tests.cmpi.paths import system
from tests.cmpi.server import Answer, Server
from tests.cmpi.words import Instance, Path
from virtcim.cim.instance_text import read_instance_text
from virtcim.cmpi.indications import Indications
from virtcim.mof import load_schema
from virtcim.providers.indications import ALERT, INDICATION_CLASSES, indication_classes_of

MODIFICATION = "VirtCIM_InstModification"
HERE = Path(namespace="root/virt", class_name=None)
PAUSED, RUNNING = 9, 2


class Subscribed:
    """A server with an indication interface, and a virtual system whose state changes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.provider = server.open("indication")
        self.methods = server.open("method")

    def filter(
        self, operation: str, class_name: str, namespace: str = "root/virt", query: str = ""
    ) -> Answer:
        path = Path(namespace=namespace, class_name=class_name)
        text = query or f"SELECT * FROM {class_name}"
        return self.server.read(self.provider, operation, path, class_name, text)

    def enable(self) -> Answer:
        return self.server.run(self.provider, "enableIndications")

    def disable(self) -> Answer:
        return self.server.run(self.provider, "disableIndications")

    def change(self, state: int) -> None:
        answer = self.server.invoke(
            self.methods, system(1), "RequestStateChange", {"RequestedState": ("uint16", state)}
        )
        assert answer.status == 0, answer.message

    def delivered(self, at_least: int = 1) -> list[tuple[str | None, Instance]]:
        """Waits until there are as many."""
        return self.server.command(f"delivered {at_least}").indications


@pytest.fixture
def start(serve: Serve, another_library: Callable[..., File]) -> Callable[[str], Server]:
    """Starts servers over the real providers."""

    def started(flavour: str) -> Server:
        server = serve(flavour, VIRTCIM_SYSTEMS="3")
        server.load(another_library(host="tests.cmpi.hosts:population"))
        return server

    return started


@pytest.fixture(params=FLAVOURS)
def subscribed(request: pytest.FixtureRequest, start: Callable[[str], Server]) -> Subscribed:
    return Subscribed(start(request.param))


def state_of(indication: Instance) -> int:
    """The state in its SourceInstance, which is an object or its text."""
    kind, source = indication.properties["SourceInstance"]
    if kind == "instance":
        state: int = source.value("EnabledState")
        return state
    value = read_instance_text(source).values["EnabledState"]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("class_name", [MODIFICATION, "CIM_InstModification", "CIM_Indication"])
@pytest.mark.parametrize("is_enabled_first", [True, False])
def test_what_is_subscribed_to_is_delivered(
    subscribed: Subscribed, class_name: str, is_enabled_first: bool
) -> None:
    if is_enabled_first:
        assert subscribed.enable().status == 0
    assert subscribed.filter("activateFilter", class_name).status == 0
    if not is_enabled_first:
        assert subscribed.enable().status == 0
    subscribed.change(PAUSED)
    namespace, found = subscribed.delivered()[0]
    assert (namespace, found.path.class_name) == ("root/virt", MODIFICATION)
    assert found.path.namespace == "root/virt"
    assert state_of(found) == PAUSED
    assert found.value("IndicationIdentifier").lower().startswith("virtcim:")
    assert found.properties["IndicationTime"][0] == "datetime"


def _counted(*filters: tuple[int, str, str]) -> Indications[bytes]:
    indications: Indications[bytes] = Indications()
    for change, namespace, class_name in filters:
        count = indications.activate if change > 0 else indications.deactivate
        count(1, namespace, class_name)
    return indications


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ([], []),
        ([(1, "root/virt", MODIFICATION)], [MODIFICATION]),
        ([(1, "ROOT/Virt", MODIFICATION.upper())], [MODIFICATION]),
        ([(1, "root/virt/other", MODIFICATION)], []),
        ([(1, "root/virt", "CIM_Indication")], [*INDICATION_CLASSES]),
        ([(1, "root/virt", "CIM_InstIndication")], [*INDICATION_CLASSES[:3]]),
        ([(1, "root/virt", ALERT), (-1, "root/virt", ALERT)], []),
        ([(-1, "root/virt", ALERT), (1, "root/virt", ALERT)], [ALERT]),
    ],
)
def test_what_is_wanted_is_what_there_are_filters_for(
    filters: list[tuple[int, str, str]], wanted: list[str]
) -> None:
    assert _counted(*filters).wanted("root/virt") == set(wanted)


def test_what_a_filter_may_select_from_is_what_the_schema_says() -> None:
    schema = load_schema()
    for name in schema.outlines:
        ours = [one for one in INDICATION_CLASSES if schema.is_a(one, name)]
        assert indication_classes_of(name.upper()) == ours, name
    assert indication_classes_of("") == []


# In WQL and in DMTF:CQL (DSP0202); what they select is the server's to find out.
QUERIES = (
    "SELECT * FROM VirtCIM_InstModification WHERE SourceInstance ISA VirtCIM_ComputerSystem",
    "select * from CIM_InstModification where SourceInstance.CIM_ComputerSystem::EnabledState = 2",
    "SELECT OBJECTPATH(SourceInstance) AS P, IndicationTime FROM CIM_InstModification",
    "SELECT",
    "",
)


@pytest.mark.parametrize("query", QUERIES)
def test_filters_in_any_language_are_authorized_activated_and_taken_back(
    subscribed: Subscribed, query: str
) -> None:
    for operation in ("authorizeFilter", "activateFilter"):
        assert subscribed.filter(operation, "CIM_InstModification", query=query).status == 0
    assert subscribed.enable().status == 0
    subscribed.change(PAUSED)
    assert state_of(subscribed.delivered()[0][1]) == PAUSED
    answer = subscribed.filter("deActivateFilter", "CIM_InstModification", query=query)
    assert answer.status == 0
    subscribed.change(RUNNING)
    assert subscribed.disable().status == 0
    assert subscribed.delivered(0) == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_who_subscribed_before_the_providers_could_be_opened_is_told_once_they_are(
    serve: Serve, another_library: Callable[..., File], flavour: str
) -> None:
    server = serve(flavour, VIRTCIM_SYSTEMS="3")
    # They can be opened with the third request.
    server.load(another_library(host="tests.cmpi.hosts:population_later"))
    subscribed = Subscribed(server)
    # A server says these once, and looks at no status of the second.
    assert subscribed.filter("activateFilter", MODIFICATION).status == 0
    assert subscribed.enable().status == 0
    assert "there is no /etc/virtcim/virtcim.toml" in server.log
    subscribed.change(PAUSED)
    subscribed.change(RUNNING)
    assert subscribed.delivered()
    assert subscribed.disable().status == 0
    assert server.command("contexts").contexts == 0


def test_indications_that_never_began_leave_nothing_behind(
    serve: Serve, another_library: Callable[..., File]
) -> None:
    server = serve("Pegasus")
    server.load(another_library(host="tests.cmpi.hosts:no_such"))
    subscribed = Subscribed(server)
    assert subscribed.filter("activateFilter", MODIFICATION).status == 0
    assert subscribed.filter("activateFilter", "VirtCIM_ComputerSystem").status == 15
    for _ in range(2):
        assert subscribed.enable().status == 0
    assert subscribed.disable().status == 0
    assert server.command("contexts").contexts == 0
    assert subscribed.enable().status == 0
    assert server.clean_up(subscribed.provider, terminating=True).status == 0
    assert server.command("contexts").contexts == 0


def test_the_filters_of_a_provider_that_was_cleaned_up_are_forgotten() -> None:
    indications = _counted((1, "root/virt", MODIFICATION))
    indications.forget(2)
    assert indications.wanted("root/virt") == {MODIFICATION}
    indications.forget(1)
    assert indications.wanted("root/virt") == set()


def test_a_filter_that_was_activated_twice_counts_until_it_was_taken_back_twice(
    subscribed: Subscribed,
) -> None:
    subscribed.enable()
    for _ in range(2):
        subscribed.filter("activateFilter", MODIFICATION)
    subscribed.filter("deActivateFilter", MODIFICATION)
    subscribed.change(PAUSED)
    assert state_of(subscribed.delivered()[0][1]) == PAUSED
    for _ in range(2):
        assert subscribed.filter("deActivateFilter", MODIFICATION).status == 0


def test_nothing_is_delivered_while_indications_are_disabled(subscribed: Subscribed) -> None:
    subscribed.filter("activateFilter", MODIFICATION)
    subscribed.enable()
    subscribed.change(PAUSED)
    assert subscribed.delivered()
    assert subscribed.disable().status == 0
    # No context that was prepared is left.
    assert subscribed.server.command("contexts").contexts == 0
    subscribed.change(RUNNING)
    subscribed.change(PAUSED)
    assert subscribed.delivered(0) == []
    assert subscribed.disable().status == 0


def test_indications_are_enabled_again(subscribed: Subscribed) -> None:
    subscribed.filter("activateFilter", MODIFICATION)
    for _ in range(3):
        assert subscribed.enable().status == 0
        assert subscribed.enable().status == 0
        subscribed.change(PAUSED)
        assert subscribed.delivered()
        subscribed.change(RUNNING)
        assert subscribed.delivered()
        assert subscribed.disable().status == 0


def test_no_thread_uses_the_server_after_its_cleanup(subscribed: Subscribed) -> None:
    subscribed.filter("activateFilter", MODIFICATION)
    subscribed.enable()
    subscribed.change(PAUSED)
    assert subscribed.delivered()
    server = subscribed.server
    for provider in (subscribed.methods, subscribed.provider):
        assert server.clean_up(provider, terminating=True).status == 0
    assert server.command("contexts").contexts == 0
    assert server.command("unload").status == 0


def test_nothing_is_delivered_for_a_provider_that_was_cleaned_up(subscribed: Subscribed) -> None:
    subscribed.filter("activateFilter", MODIFICATION)
    subscribed.enable()
    subscribed.change(PAUSED)
    assert subscribed.delivered()
    # Its own table of functions may be gone, while that of the methods is in use.
    assert subscribed.server.clean_up(subscribed.provider, terminating=True).status == 0
    assert subscribed.server.command("contexts").contexts == 0
    subscribed.change(RUNNING)
    assert subscribed.delivered(0) == []


def test_nobody_needs_to_poll(subscribed: Subscribed) -> None:
    assert subscribed.filter("mustPoll", MODIFICATION).status == 7


@pytest.mark.parametrize("operation", ["authorizeFilter", "activateFilter"])
def test_a_filter_on_what_never_comes_is_refused(subscribed: Subscribed, operation: str) -> None:
    for class_name in ("CIM_ClassCreation", "No_Such_Class", "VirtCIM_ComputerSystem"):
        answer = subscribed.filter(operation, class_name)
        assert answer.status == 15
        assert answer.message == f"there are no indications of {class_name!r} here"
    assert subscribed.filter(operation, MODIFICATION).status == 0


@pytest.mark.parametrize("slot", ["prepareAttachThread", "deliverIndication"])
def test_a_server_without_threads_for_us_is_told_so(
    start: Callable[[str], Server], slot: str
) -> None:
    server = start("Pegasus")
    server.command(f"without {slot}")
    subscribed = Subscribed(server)
    answer = subscribed.enable()
    assert (answer.status, answer.message) == (
        7,
        "the CIM server lets no thread of ours deliver indications",
    )
    assert subscribed.server.command("contexts").contexts == 0


def test_an_indication_that_the_server_refuses_costs_only_itself(
    start: Callable[[str], Server],
) -> None:
    server = start("Pegasus")
    subscribed = Subscribed(server)
    subscribed.filter("activateFilter", MODIFICATION)
    subscribed.enable()
    server.command("refuse SourceInstance 100")
    subscribed.change(PAUSED)
    server.command("await 1")
    assert subscribed.disable().status == 0
    assert subscribed.delivered(0) == []
    assert "an indication of VirtCIM_InstModification is lost" in server.log
