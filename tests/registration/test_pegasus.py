"""Registration with OpenPegasus: what is done, done again, taken back, and what fails half-way."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registration.pegasus_stand_in import INTEROP, StandInPegasus
from virtcim.mof import load_schema
from virtcim.registration import (
    Command,
    Library,
    Model,
    Plan,
    Receipt,
    RegistrationError,
    SystemSchema,
    carry_out,
    model,
    read_receipt,
)
from virtcim.registration.needed_classes import needed_classes
from virtcim.registration.pegasus import (
    MODULE,
    PegasusServer,
    PegasusSettings,
    Tools,
    pegasus_plan,
    pegasus_removal,
)

_NAMESPACES = ("root/virt",)
_OTHERS = """
class Other_Thing { [Key] string Name; };
"""


@pytest.fixture(scope="module")
def whole() -> Model:
    return model(load_schema(), _NAMESPACES, INTEROP)


@pytest.fixture(scope="module")
def small(whole: Model) -> Model:
    """Fewer classes, so that each step can fail in turn; of all kinds, with what they need."""
    names = ("VirtCIM_RegisteredProfile", "VirtCIM_ReferencedProfile", "VirtCIM_InstCreation")
    rows = tuple(row for row in whole.registrations if row.class_name in names)
    return Model(
        schema=whole.schema,
        registrations=rows,
        classes={
            "root/virt": needed_classes(whole.schema, ("VirtCIM_InstCreation",)),
            INTEROP: needed_classes(whole.schema, names[:2]),
        },
    )


class _Administrator:
    """Registers with a server as the command does."""

    def __init__(self, server: StandInPegasus, directory: Path, version: str = "1.0") -> None:
        self.server = server
        library = directory / "lib" / "libvirtcim_cmpi.so"
        library.parent.mkdir(parents=True, exist_ok=True)
        library.touch()
        self.directory = directory / "registration"
        self.settings = PegasusSettings(
            tools=Tools(),
            directory=self.directory,
            interop=INTEROP,
            library=Library(name="virtcim_cmpi", directory=library.parent, build=("build",)),
            schema=SystemSchema(directory=directory / "cache", is_there=True, is_current=True),
            version=version,
        )

    def plan(self, wanted: Model) -> Plan:
        receipt = self._receipt()
        asked = PegasusServer(Tools(), self.server.run)
        state = asked.state({*wanted.classes, *receipt.made}, INTEROP, MODULE)
        return pegasus_plan(wanted, state, self.settings, receipt)

    def removal(self, wanted: Model) -> Plan:
        receipt = self._receipt()
        asked = PegasusServer(Tools(), self.server.run)
        state = asked.state({*wanted.classes, *receipt.made}, INTEROP, MODULE)
        return pegasus_removal(wanted.schema.qualifiers, state, self.settings, receipt)

    def register(self, wanted: Model) -> None:
        carry_out(self.plan(wanted), self.server.run)

    def files(self) -> dict[str, bytes]:
        if not self.directory.exists():
            return {}
        return {path.name: path.read_bytes() for path in self.directory.iterdir()}

    def _receipt(self) -> Receipt:
        return read_receipt(self.directory / "pegasus.json")


def test_all_classes_are_there_afterwards_and_nothing_is_left_to_do(
    whole: Model, tmp_path: Path
) -> None:
    administrator = _Administrator(StandInPegasus(), tmp_path)
    administrator.register(whole)
    again = administrator.plan(whole)
    assert again.differences == ()
    assert again.steps == ()
    for namespace, classes in whole.classes.items():
        there = administrator.server.classes(namespace)
        assert {one.classname for one in classes} <= set(there)


def test_each_class_is_registered_for_its_kinds_in_one_module(small: Model, tmp_path: Path) -> None:
    administrator = _Administrator(StandInPegasus(), tmp_path)
    administrator.register(small)
    text = (administrator.directory / "pegasus-registration.mof").read_text()
    assert text.count("instance of PG_ProviderModule ") == 1
    assert text.count("instance of PG_Provider ") == 1
    assert "UserContext = 5;" in text
    creation = text[text.index('CapabilityID = "VirtCIM_InstCreation"') :]
    assert "ProviderType = { 4 };" in creation
    assert 'Namespaces = { "root/virt" };' in creation
    profile = text[text.index('CapabilityID = "VirtCIM_RegisteredProfile"') :]
    assert "ProviderType = { 2, 3 };" in profile
    assert f'Namespaces = {{ "{INTEROP}" }};' in profile


def test_removal_leaves_what_was_there_before_and_nothing_else(
    whole: Model, tmp_path: Path
) -> None:
    server = StandInPegasus(_OTHERS)
    before = server.contents()
    administrator = _Administrator(server, tmp_path)
    administrator.register(whole)
    carry_out(administrator.removal(whole), server.run)
    assert server.contents() == before
    assert not administrator.directory.exists()
    assert administrator.removal(whole).steps == ()


def test_namespaces_within_one_that_is_not_there_go_with_the_registration(
    small: Model, tmp_path: Path
) -> None:
    server = StandInPegasus()
    before = server.contents()
    administrator = _Administrator(server, tmp_path)
    within = Model(
        schema=small.schema,
        registrations=small.registrations,
        classes={"root/virt/lab": small.classes["root/virt"], INTEROP: small.classes[INTEROP]},
    )
    administrator.register(within)
    assert server.classes("root/virt/lab")
    carry_out(administrator.removal(within), server.run)
    assert server.contents() == before


def test_classes_that_the_server_has_are_neither_compiled_nor_deleted(
    small: Model, tmp_path: Path
) -> None:
    server = StandInPegasus(
        "Qualifier Version : string, Scope(any), Flavor(Restricted);\n"
        '[Version ( "1.0" ), Abstract] class CIM_ManagedElement { string Caption; };'
    )
    before = server.contents()
    administrator = _Administrator(server, tmp_path)
    plan = administrator.plan(small)
    names = {finding.name: finding.text for finding in plan.findings if finding.kind == "differs"}
    assert "its version is 1.0, not" in names[f"{INTEROP}:CIM_ManagedElement"]
    assert "it has no property InstanceID" in names[f"{INTEROP}:CIM_ManagedElement"]
    carry_out(plan, server.run)
    mof = (administrator.directory / "pegasus-root-PG_InterOp.mof").read_text()
    assert not re.search(r"(?m)^class CIM_ManagedElement\b", mof)
    carry_out(administrator.removal(small), server.run)
    assert server.contents() == before


def test_an_older_registration_is_brought_up_to_date(small: Model, tmp_path: Path) -> None:
    server = StandInPegasus()
    _Administrator(server, tmp_path, version="0.9").register(small)
    server.group("CIMServer")
    administrator = _Administrator(server, tmp_path)
    assert any("Version is 0.9, not 1.0" in each for each in administrator.plan(small).differences)
    building = [step for step in administrator.plan(small).steps if "build" in step.purpose]
    assert len(building) == 1, "the library is of the older version, too"
    plan = administrator.plan(small)
    carry_out(Plan(steps=tuple(step for step in plan.steps if step not in building)), server.run)
    assert administrator.plan(small).differences == ()
    registered = str(server.contents()["registered"])
    assert 'ModuleGroupName = "CIMServer";' in registered, "where an administrator put it"


def test_a_class_of_ours_that_differs_is_compiled_anew_with_what_derives_from_it(
    small: Model, tmp_path: Path
) -> None:
    server = StandInPegasus()
    administrator = _Administrator(server, tmp_path)
    administrator.register(small)
    right = server.contents()
    words = ("cimcli", "dc", "-n", INTEROP)
    for name in ("VirtCIM_ReferencedProfile", "VirtCIM_RegisteredProfile"):
        server.run(_command(*words, name))
    server.compile(INTEROP, "class VirtCIM_RegisteredProfile : CIM_RegisteredProfile { };")
    assert any(
        text.startswith("VirtCIM_RegisteredProfile in ")
        for text in administrator.plan(small).differences
    )
    administrator.register(small)
    assert server.contents() == right
    assert administrator.plan(small).differences == ()


def test_a_class_of_ours_stays_where_somebody_elses_derives_from_it(
    small: Model, tmp_path: Path
) -> None:
    server = StandInPegasus()
    administrator = _Administrator(server, tmp_path)
    administrator.register(small)
    server.compile(INTEROP, "class Other_Profile : VirtCIM_RegisteredProfile { };")
    plan = administrator.removal(small)
    stays = [finding.name for finding in plan.findings]
    assert f"{INTEROP}:VirtCIM_RegisteredProfile" in stays
    carry_out(plan, server.run)
    there = server.classes(INTEROP)
    assert "Other_Profile" in there
    assert "VirtCIM_RegisteredProfile" in there
    assert "VirtCIM_ReferencedProfile" not in there


def test_a_namespace_with_classes_of_somebody_else_stays(small: Model, tmp_path: Path) -> None:
    server = StandInPegasus()
    administrator = _Administrator(server, tmp_path)
    administrator.register(small)
    server.compile("root/virt", '[Version ( "1.0" )] class Other_Thing { string Name; };')
    plan = administrator.removal(small)
    carry_out(plan, server.run)
    assert server.classes("root/virt") == ["Other_Thing"]
    assert server.qualifiers("root/virt") == ["Version"], "what it needs stays"
    assert "root/virt" in [finding.name for finding in plan.findings]


def test_what_the_server_itself_puts_into_a_namespace_that_was_made_goes_with_it(
    small: Model, tmp_path: Path
) -> None:
    server = StandInPegasus()
    before = server.contents()
    administrator = _Administrator(server, tmp_path)
    with_profiles = Model(
        schema=small.schema,
        registrations=small.registrations,
        classes={"root/virt": small.classes[INTEROP], INTEROP: small.classes[INTEROP]},
    )
    administrator.register(with_profiles)
    server.compile("root/virt", "class PG_RegisteredProfile : CIM_RegisteredProfile { };")
    carry_out(administrator.removal(with_profiles), server.run)
    assert server.contents() == before


def test_a_lost_receipt_keeps_what_may_be_somebody_elses(small: Model, tmp_path: Path) -> None:
    server = StandInPegasus()
    administrator = _Administrator(server, tmp_path)
    administrator.register(small)
    (administrator.directory / "pegasus.json").unlink()
    carry_out(administrator.removal(small), server.run)
    there = server.classes("root/virt")
    assert there
    assert not [name for name in there if name.startswith("VirtCIM_")]


def _number_of_changes(small: Model, tmp_path: Path) -> int:
    administrator = _Administrator(StandInPegasus(), tmp_path / "counted")
    return len(_commands(administrator.plan(small)))


def _commands(plan: Plan) -> list[tuple[str, ...]]:
    return [step.action.words for step in plan.steps if isinstance(step.action, Command)]


def _fails(words: tuple[str, ...]) -> Callable[[tuple[str, ...]], bool]:
    return lambda given: given == words


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_a_program_that_fails_at_any_step_leaves_everything_as_it_was(
    small: Model, tmp_path: Path, in_the_middle: bool
) -> None:
    number = _number_of_changes(small, tmp_path)
    assert number == 3
    for failing in range(number):
        server = StandInPegasus(_OTHERS)
        before = server.contents()
        administrator = _Administrator(server, tmp_path / str(failing))
        plan = administrator.plan(small)
        words = _commands(plan)[failing]
        server.in_the_middle = in_the_middle
        server.fails = _fails(words)
        with pytest.raises(RegistrationError) as caught:
            carry_out(plan, server.run)
        assert caught.value.left == ()
        assert " ".join(words) in str(caught.value)
        assert server.contents() == before
        assert not administrator.directory.exists()


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_an_upgrade_or_a_removal_that_fails_leaves_what_was_registered(
    small: Model, tmp_path: Path, in_the_middle: bool
) -> None:
    for removing in (False, True):
        server = StandInPegasus(_OTHERS)
        administrator = _Administrator(server, tmp_path / str(removing))
        administrator.register(small)
        if not removing:
            for name in ("VirtCIM_ReferencedProfile", "VirtCIM_RegisteredProfile"):
                server.run(_command("cimcli", "dc", "-n", INTEROP, name))
            server.compile(INTEROP, "class VirtCIM_RegisteredProfile : CIM_RegisteredProfile { };")
        before, files = server.contents(), administrator.files()
        plan = administrator.removal(small) if removing else administrator.plan(small)
        commands = _commands(plan)
        assert len(commands) > 3
        server.in_the_middle = in_the_middle
        # As everything is as it was after each failure, the next one begins there.
        for failing in commands:
            server.fails = _fails(failing)
            with pytest.raises(RegistrationError) as caught:
                carry_out(plan, server.run)
            assert caught.value.left == ()
            now = server.contents()
            assert {**now, "stopped": []} == {**before, "stopped": []}
            assert administrator.files() == files
            server.start_modules()


def test_what_cannot_be_taken_back_is_named(small: Model, tmp_path: Path) -> None:
    server = StandInPegasus()
    administrator = _Administrator(server, tmp_path)
    plan = administrator.plan(small)
    server.fails = lambda words: "pegasus-registration.mof" in words[-1] or words[1] == "dq"
    with pytest.raises(RegistrationError) as caught:
        carry_out(plan, server.run)
    assert any(text.startswith("cimcli dq -n root/virt ") for text in caught.value.left)
    assert "compile" not in " ".join(caught.value.undone)


def _command(*words: str) -> Command:
    return Command(words=words)
