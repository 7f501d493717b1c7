"""What has to be done so that nothing of ours is left in OpenPegasus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pywbem import CIMQualifierDeclaration

from virtcim.registration.library import library_files
from virtcim.registration.model import is_own
from virtcim.registration.pegasus.registering import RECEIPT, PegasusSettings
from virtcim.registration.pegasus.server import PegasusState, ServerClass
from virtcim.registration.pegasus.steps import Pegasus, descendants, file_name, in_order_of_deletion
from virtcim.registration.plan import Finding, Plan, RemoveDirectory, RemoveFile, Step
from virtcim.registration.receipt import Receipt
from virtcim.registration.system_schema import schema_removal

__all__ = ["pegasus_removal"]

# When it starts, OpenPegasus itself puts these into each namespace that has their superclasses.
_COPIES = frozenset({"pg_registeredprofile", "pg_elementconformstoprofile"})


def pegasus_removal(
    kinds: Mapping[str, CIMQualifierDeclaration],
    state: PegasusState,
    settings: PegasusSettings,
    receipt: Receipt,
) -> Plan:
    """The steps that take back what the receipt says was made, and all classes of ours."""
    making = Pegasus(
        tools=settings.tools,
        directory=settings.directory,
        interop=settings.interop,
        kinds=kinds,
    )
    steps = [*making.without_module(state)]
    findings: list[Finding] = []
    # Namespaces within others go before them.
    for namespace in sorted(state.classes, key=lambda name: (-name.count("/"), name)):
        steps += _without_namespace(namespace, making, state, receipt, findings)
    steps += _without_files(settings.directory, state.classes, receipt)
    return Plan(
        steps=tuple(steps),
        differences=tuple(step.purpose for step in steps),
        findings=tuple(findings),
    )


def _without_namespace(
    namespace: str,
    making: Pegasus,
    state: PegasusState,
    receipt: Receipt,
    findings: list[Finding],
) -> Iterator[Step]:
    there = state.classes[namespace]
    made = receipt.of(namespace)
    ours = {name.lower() for name in made.classes} & there.keys()
    ours |= {key for key in there if is_own(key)}
    if made.namespace:
        ours |= _COPIES & there.keys()
    going = _those_that_can_go(ours, there)
    findings += [
        Finding(
            kind="differs",
            name=f"{namespace}:{there[key].name}",
            text="a class of somebody else derives from it; it stays",
        )
        for key in sorted(ours - {one.name.lower() for one in going})
    ]
    yield from (making.without_class(namespace, one, there) for one in going)
    staying = [one for key, one in there.items() if one not in going]
    for name in made.qualifiers:
        if name in state.qualifiers[namespace] and not _is_used(name, staying):
            yield making.without_qualifier(namespace, name)
    others = state.qualifiers[namespace] - {name.lower() for name in made.qualifiers}
    if made.namespace and not staying and not others:
        yield Step(
            purpose=f"delete the namespace {namespace}",
            action=making.delete_namespace(namespace),
        )
    elif made.namespace:
        findings.append(
            Finding(kind="differs", name=namespace, text="holds what somebody else made; it stays")
        )


def _those_that_can_go(ours: set[str], there: Mapping[str, ServerClass]) -> list[ServerClass]:
    """Classes from which nothing of anybody else derives."""
    free = [key for key in ours if descendants([key], there) <= ours]
    return in_order_of_deletion(free, there)


def _is_used(qualifier: str, staying: Iterable[ServerClass]) -> bool:
    mark = re.compile(rf'<QUALIFIER\b[^>]*\bNAME="{re.escape(qualifier)}"', re.IGNORECASE)
    return any(mark.search(one.text) for one in staying)


def _without_files(directory: Path, namespaces: Iterable[str], receipt: Receipt) -> Iterator[Step]:
    names = [file_name(each) for each in dict.fromkeys((*namespaces, *receipt.made))]
    paths = [directory / name for name in (*names, "pegasus-registration.mof", RECEIPT)]
    found = [path for path in (*library_files(receipt.library), *paths) if path.exists()]
    for path in found:
        yield Step(purpose="remove a file", action=RemoveFile(path=path))
    yield from schema_removal(receipt.schema)
    if found:
        yield Step(
            purpose="remove the directory if it is empty", action=RemoveDirectory(path=directory)
        )
