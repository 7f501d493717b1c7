"""What the bridge serves in tests: run in the process of the broker, by the name of a function."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pywbem

from tests.cim.everything import EVERYTHING, everything_class, extended_schema
from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cim.records import CimError, MethodResult, ObjectPath, Record, Value
from virtcim.cimserver.declarations import Declarations
from virtcim.cli.hosted import open_configured
from virtcim.cmpi.host import HostedProviders
from virtcim.daemon.incidents import incident
from virtcim.errormap import ErrorCode
from virtcim.mof import Schema
from virtcim.providers import Providers, failure

__all__ = [
    "configured",
    "everything",
    "failing",
    "failing_later",
    "not_configured",
    "population",
    "population_later",
    "small",
]

_NO_JOBS_S = 600.0
TEN_MB = 10 << 20
SYSTEM = ObjectPath(
    "VirtCIM_ComputerSystem",
    {
        "CreationClassName": "VirtCIM_ComputerSystem",
        "Name": "00000000-0000-0000-0000-000000000001",
    },
    namespace="root/virt",
)
VIENNA = timezone(timedelta(hours=1))


def _everything(number: int) -> Record:
    """An instance with a value of every type."""
    inner = Record(
        "VirtCIM_ComputerSystem", {"Name": f"inner <{number}>", "EnabledState": 2}, SYSTEM
    )
    scalars: dict[str, Value] = {
        **{f"uint{bits}": 2**bits - 1 for bits in (8, 16, 32, 64)},
        **{f"sint{bits}": -(2 ** (bits - 1)) for bits in (8, 16, 32, 64)},
        "boolean": True,
        "string": 'grün "日本" \U0001f600 & <x>',
        "char16": "ü",
        "datetime": datetime(2026, 11, 30, 12, 0, 1, 25, tzinfo=VIENNA),
        "real32": 1.5,
        "real64": -1e300,
        "embedded": inner,
    }
    arrays: dict[str, Value] = {
        "boolean": [True, False],
        "string": ["", "zwei", "drei"],
        "datetime": [timedelta(days=3, hours=1), datetime(2026, 1, 1, tzinfo=UTC)],
        "real64": [0.0, float("inf")],
        "embedded": [inner, inner],
        **{f"uint{bits}": [0, 2**bits - 1] for bits in (8, 16, 32, 64)},
        **{f"sint{bits}": [-1, 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
        "real32": [],
        "char16": ["a", "z"],
    }
    values: dict[str, Value] = {"Id": f"id {number}"}
    values |= {f"S_{name}": value for name, value in scalars.items()}
    values |= {f"A_{name}": value for name, value in arrays.items()}
    values["S_reference"] = SYSTEM
    path = ObjectPath(EVERYTHING, {"Id": f"id {number}"}, namespace="root/virt")
    return Record(EVERYTHING, values, path)


def _odd(what: str) -> Record:
    """An instance with odd values."""
    inner = Record("VirtCIM_ComputerSystem", {"Name": "innermost"}, SYSTEM)
    event = Record("VirtCIM_InstModification", {"SourceInstance": inner, "PreviousInstance": inner})
    foreign = ObjectPath(
        "X_Foreign",
        {"Number": 2**63, "Flag": True, "Text": 'a"b', "Where": SYSTEM},
        namespace="root/other/deep",
    )
    not_a_number, infinite = float("nan"), float("inf")
    odd: dict[str, Any] = {
        "nul": {"S_string": "a\0b", "A_string": ["\0", "b"]},
        "surrogate": {"S_string": "a\ud800b"},
        "long": {"S_string": "x" * TEN_MB},
        "reals": {
            **{f"S_real{bits}": not_a_number for bits in (32, 64)},
            **{f"A_real{bits}": [infinite, -infinite, not_a_number, -0.0] for bits in (32, 64)},
        },
        "too large for real32": {"S_real32": 1e39},
        "many": {
            "A_uint64": [2**64 - 1 - number for number in range(1000)],
            "A_string": [str(number) for number in range(1000)],
        },
        "empty": {f"A_{name}": [] for name in ("string", "uint8", "embedded", "datetime")},
        "nulls": {"A_string": ["a", None]},
        "no array": {"A_string": "a"},
        "foreign": {"S_reference": foreign},
        "nested": {"S_embedded": event, "A_embedded": [event]},
        "undeclared": {"NoSuchProperty": 1},
    }
    return Record(EVERYTHING, {"Id": what, **odd[what]}, ObjectPath(EVERYTHING, {"Id": what}))


class _MadeUp(Interposed):
    """Instances with a value of every type, and instances that fail when they are read."""

    def get_instance(self, path: ObjectPath) -> Record:
        if path.class_name != EVERYTHING:
            return super().get_instance(path)
        what, _, argument = str(path.key("Id")).partition(" ")
        _fail(what, argument, path)
        if what == "odd":
            return _odd(argument)
        if what == "path":
            return Record(EVERYTHING, {"Id": str(path)}, path)
        return _everything(int(argument))

    def enumerate_instances(self, namespace: str, class_name: str) -> Iterable[Record]:
        if class_name != EVERYTHING:
            return super().enumerate_instances(namespace, class_name)
        return self._made_up(namespace)

    def _made_up(self, namespace: str) -> Iterable[Record]:
        for number in range(3):
            yield _everything(number)
        for number in range(500 if namespace.endswith("many") else 0):
            yield _everything(number)
        if namespace.endswith("odd"):
            yield Record(
                EVERYTHING, {"Id": "odd", "S_uint8": 256}, ObjectPath(EVERYTHING, {"Id": "odd"})
            )
            yield Record(EVERYTHING, {"Id": "last"}, ObjectPath(EVERYTHING, {"Id": "last"}))
        if namespace.endswith("broken"):
            raise RuntimeError("in the middle")

    def delete_instance(self, path: ObjectPath) -> None:
        if path.class_name == EVERYTHING:
            _fail(*str(path.key("Id")).split(" ", 1), path)
        else:
            super().delete_instance(path)

    def associators(self, path: ObjectPath, **filters: Any) -> list[Record]:
        self._maybe_fail(path)
        return super().associators(path, **filters)

    def associator_names(self, path: ObjectPath, **filters: Any) -> list[ObjectPath]:
        self._maybe_fail(path)
        return super().associator_names(path, **filters)

    def references(self, path: ObjectPath, **filters: Any) -> list[Record]:
        self._maybe_fail(path)
        return super().references(path, **filters)

    def reference_names(self, path: ObjectPath, **filters: Any) -> list[ObjectPath]:
        self._maybe_fail(path)
        return super().reference_names(path, **filters)

    def invoke_method(
        self, path: ObjectPath, method_name: str, parameters: Mapping[str, Value]
    ) -> MethodResult:
        self._maybe_fail(path)
        if path.class_name != EVERYTHING:
            return super().invoke_method(path, method_name, parameters)
        if method_name == "Numbered":
            return MethodResult(return_value=f"{threading.active_count()}")
        return MethodResult(return_value=7, output=parameters)

    def _maybe_fail(self, path: ObjectPath) -> None:
        if path.class_name == EVERYTHING:
            what, _, argument = str(path.key("Id")).partition(" ")
            _fail(what, argument, path)


def _fail(what: str, argument: str, path: ObjectPath) -> None:
    if what == "status":
        raise CimError(int(argument), f"this is {argument} \u2013 ja")
    if what == "coded":
        raise failure(ErrorCode[argument], "because <of> “that”", source=path)
    if what == "raise":
        raise {
            "RuntimeError": RuntimeError("a bug"),
            "SystemExit": SystemExit(3),
            "KeyboardInterrupt": KeyboardInterrupt(),
            "MemoryError": MemoryError(),
            "RecursionError": RecursionError(),
            "GeneratorExit": GeneratorExit(),
        }[argument]
    if what == "exit":
        sys.exit(argument)


def everything() -> HostedProviders:
    """Test_Everything beside the real providers, with three virtual systems."""
    schema = extended_schema()
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2, 3))
    real = Providers([endpoint], schema, job_after_s=_NO_JOBS_S, incident=incident)
    made_up = _MadeUp(real, schema)
    hosted: Any = made_up
    return HostedProviders(
        providers=hosted,
        declarations=Declarations(schema),
        incident=incident,
        close=real.close,
    )


class _Nobody:
    """What is asked of the real providers where there are none."""

    namespaces = ("root/virt",)

    def in_language(self, _language: str) -> _Nobody:
        return self

    def close(self) -> None:
        pass


def small() -> HostedProviders:
    """Test_Everything alone, and no more of the schema than it needs: it starts at once."""
    key = pywbem.CIMQualifier("Key", True)
    system_class = pywbem.CIMClass(
        SYSTEM.class_name,
        superclass="CIM_ManagedElement",
        properties=[
            *(
                pywbem.CIMProperty(name, None, "string", qualifiers=[key])
                for name in ("CreationClassName", "Name")
            ),
            pywbem.CIMProperty("EnabledState", 2, "uint16"),
        ],
    )
    schema = Schema([pywbem.CIMClass("CIM_ManagedElement"), system_class, everything_class()], [])
    nobody: Any = _Nobody()
    hosted: Any = _MadeUp(nobody, schema)
    return HostedProviders(
        providers=hosted,
        declarations=Declarations(schema),
        incident=incident,
        close=nobody.close,
    )


def population() -> HostedProviders:
    """The real providers over as many virtual systems as VIRTCIM_SYSTEMS says."""
    schema = extended_schema()
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, range(1, 1 + int(os.environ.get("VIRTCIM_SYSTEMS", "20"))))
    real = Providers([endpoint], schema, job_after_s=_NO_JOBS_S, incident=incident)
    return HostedProviders(
        providers=real, declarations=Declarations(schema), incident=incident, close=real.close
    )


def configured() -> HostedProviders:
    """What the file that VIRTCIM_CONFIGURATION names says."""
    return open_configured(Path(os.environ["VIRTCIM_CONFIGURATION"]))


class _Failing:
    """Fails whatever it is asked, also with what ends threads."""

    def __getattr__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


def failing() -> HostedProviders:
    """Opened, and no more."""
    anything: Any = _Failing()

    def close() -> None:
        raise SystemExit(3)

    def incident(what: str, _error: BaseException) -> str:
        raise MemoryError(what)

    return HostedProviders(
        providers=anything, declarations=anything, incident=incident, close=close
    )


class _Opened:
    """Fails at each operation alone."""

    def in_language(self, _language: str) -> _Failing:
        return _Failing()

    def __getattr__(self, name: str) -> Any:
        raise KeyboardInterrupt(name)


def failing_later() -> HostedProviders:
    """Every operation of it fails, and closing it."""
    opened: Any = _Opened()
    declarations: Any = _Failing()

    def close() -> None:
        raise SystemExit(3)

    return HostedProviders(
        providers=opened, declarations=declarations, incident=incident, close=close
    )


_asked = 0


def not_configured() -> HostedProviders:
    """What cannot be opened but the third time."""
    _refuse_twice()
    return everything()


def population_later() -> HostedProviders:
    """The real providers, which cannot be opened but the third time."""
    _refuse_twice()
    return population()


def _refuse_twice() -> None:
    global _asked  # noqa: PLW0603 - it is asked again and again
    _asked += 1
    if _asked == 1:
        raise failure(ErrorCode.ERR_CREDENTIALS_NOT_SET, "there is no /etc/virtcim/virtcim.toml")
    if _asked == 2:
        raise OSError("the disk is gone")
