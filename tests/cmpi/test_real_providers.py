"""The real providers through the bridge: every served class as the embedded server shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path as File

import pytest

from tests.cimserver.population import populate
from tests.cmpi.conftest import FLAVOURS, copied
from tests.cmpi.server import Server, running
from tests.cmpi.words import Instance, Path, Typed
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.data_types import DATA_TYPES
from virtcim.cim.declarations import Declared
from virtcim.cim.records import CimError, ObjectPath, Record, Value
from virtcim.cimserver.declarations import Declarations
from virtcim.daemon.incidents import incident
from virtcim.mof import load_schema
from virtcim.providers import INTEROP, ROOT, Providers
from virtcim.registration import registrations

SYSTEMS = 5
SERVED = tuple(
    (each.class_name, namespace)
    for each in registrations((ROOT, INTEROP))
    for namespace in each.namespaces
)


class Expected:
    """What the providers in this process show, in the form that the broker tells of."""

    def __init__(self) -> None:
        schema = load_schema()
        endpoint = SimulatedEndpoint(0)
        populate(endpoint, range(1, SYSTEMS + 1))
        self.declarations = Declarations(schema)
        self.providers = Providers([endpoint], schema, incident=incident)

    def path(self, path: ObjectPath) -> Path:
        declared = self.declarations.keys(path.class_name)
        return Path(
            namespace=path.namespace,
            class_name=path.class_name,
            keys={name: self.value(value, declared[name.lower()]) for name, value in path.keys},
        )

    def value(self, value: Value, declared: Declared) -> Typed:
        if declared.is_array and isinstance(value, list | tuple):
            one = Declared(name=declared.name, type_name=declared.type_name)
            return f"array {declared.type_name}", [self.value(each, one) for each in value]
        if isinstance(value, ObjectPath):
            return "reference", self.path(value)
        if declared.type_name == "datetime":
            return "datetime", DATA_TYPES["datetime"].write(value)
        return declared.type_name, value

    def around(self, path: ObjectPath) -> tuple[int, list[Path]]:
        """The associated instances, or the status where there can be none: of an association."""
        try:
            return 0, [self.path(one) for one in self.providers.associator_names(path)]
        except CimError as error:
            return error.status_code, []

    def properties(self, record: Record) -> dict[str, Typed]:
        """Without those that are NULL, and embedded instances, which ``inner`` compares."""
        declared = self.declarations.properties(record.class_name)
        return {
            name: self.value(value, declared[name.lower()])
            for name, value in record.values.items()
            if value is not None and not declared[name.lower()].is_embedded
        }


@pytest.fixture(scope="module")
def expected() -> Iterator[Expected]:
    made = Expected()
    yield made
    made.providers.close()


@pytest.fixture(scope="module")
def populated(
    broker: File, library: File, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """Servers over the real providers, one of a kind."""
    real = copied(library, tmp_path_factory.mktemp("real"), host="tests.cmpi.hosts:population")
    with ExitStack() as stack:

        @cache
        def get(flavour: str) -> Server:
            errors = tmp_path_factory.mktemp("server") / "log"
            systems = str(SYSTEMS)
            started = stack.enter_context(running(broker, errors, flavour, VIRTCIM_SYSTEMS=systems))
            started.load(real)
            return started

        yield get


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest, populated: Callable[[str], Server]) -> Server:
    return populated(request.param)


def shown(instance: Instance, expected: Expected) -> dict[str, Typed]:
    declared = expected.declarations.properties(instance.path.class_name or "")
    return {
        name: typed
        for name, typed in instance.properties.items()
        if not typed[0].startswith("null") and not declared[name.lower()].is_embedded
    }


def by_path(instances: list[Instance]) -> dict[str, Instance]:
    return {repr(one.path): one for one in instances}


@pytest.mark.parametrize(("class_name", "namespace"), SERVED)
def test_every_class_is_shown_as_in_the_embedded_server(
    server: Server, expected: Expected, class_name: str, namespace: str
) -> None:
    records = [*expected.providers.enumerate_instances(namespace, class_name)]
    where = Path(namespace=namespace, class_name=class_name)
    instances = server.interface("instance")
    answer = server.read(instances, "enumerateInstances", where)
    assert answer.status == 0, answer.message
    found = by_path(answer.instances)
    paths = [expected.path(record.path) for record in records if record.path is not None]
    assert sorted(found) == sorted(map(repr, paths))
    for record, path in zip(records, paths, strict=True):
        assert shown(found[repr(path)], expected) == expected.properties(record)
    names = server.read(instances, "enumerateInstanceNames", where)
    assert sorted(map(repr, names.paths)) == sorted(found)
    for path in paths[:2]:
        (one,) = server.read(instances, "getInstance", path).instances
        assert one == found[repr(path)]


@pytest.mark.parametrize(("class_name", "namespace"), SERVED)
def test_what_is_around_an_instance_of_every_class_is_the_same(
    server: Server, expected: Expected, class_name: str, namespace: str
) -> None:
    associations = server.interface("association")
    records = [*expected.providers.enumerate_instances(namespace, class_name)]
    for record in records[:1]:
        assert record.path is not None
        path, providers = expected.path(record.path), expected.providers
        around = server.read(associations, "associatorNames", path, None, None, None, None)
        status, wanted = expected.around(record.path)
        assert around.status == status, around.message
        assert sorted(map(repr, around.paths)) == sorted(map(repr, wanted))
        if status:
            continue
        links = server.read(associations, "references", path, None, None)
        references = providers.references(record.path)
        assert sorted(repr(shown(one, expected)) for one in links.instances) == sorted(
            repr(expected.properties(one)) for one in references
        )


def test_no_class_that_is_served_is_a_subclass_of_another() -> None:
    # A server asks for each class by itself, and is given its subclasses: none must come twice.
    schema = load_schema()
    names = {name for name, _ in SERVED}
    pairs = [(one, other) for one in names for other in names - {one}]
    assert [pair for pair in pairs if schema.is_a(*pair)] == []
