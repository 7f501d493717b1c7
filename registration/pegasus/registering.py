"""What has to be done so that OpenPegasus serves our classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pywbem import CIMClass

from virtcim.registration.carrying import carried, is_experimental
from virtcim.registration.class_differences import class_differences
from virtcim.registration.library import library_differences, library_step
from virtcim.registration.local_declarations import local_declaration
from virtcim.registration.model import Library, Model, is_own
from virtcim.registration.mof_texts import classes_mof, qualifiers_mof
from virtcim.registration.pegasus.instances import (
    instance_differences,
    instances,
    instances_mof,
)
from virtcim.registration.pegasus.server import MODULE_CLASS, PegasusState, ServerClass, Tools
from virtcim.registration.pegasus.steps import (
    MODULE,
    Pegasus,
    descendants,
    file_name,
    in_order_of_deletion,
)
from virtcim.registration.plan import Finding, Plan, RemoveDirectory, Step, WriteFile
from virtcim.registration.receipt import Made, Receipt
from virtcim.registration.system_schema import SystemSchema, schema_differences, schema_step

__all__ = ["RECEIPT", "PegasusSettings", "pegasus_plan"]

RECEIPT = "pegasus.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PegasusSettings:
    """``user`` is whom the provider runs as, the server's own user if it is empty."""

    tools: Tools
    directory: Path
    interop: str
    library: Library
    schema: SystemSchema
    version: str
    user: str = ""


@dataclass(slots=True)
class _InNamespace:
    """What there is to do in one namespace."""

    name: str
    stale: list[ServerClass] = field(default_factory=list)
    compiled: list[CIMClass] = field(default_factory=list)
    qualifiers: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    experimental: bool = False


def pegasus_plan(
    model: Model, state: PegasusState, settings: PegasusSettings, receipt: Receipt
) -> Plan:
    """The steps from what there is to what there should be; none where all is there."""
    places = [_in_namespace(name, model, state) for name in model.classes]
    wanted = instances(
        model.registrations,
        module=MODULE,
        location=settings.library.name,
        version=settings.version,
        user=settings.user,
        group=_group(state),
    )
    registration = instance_differences(wanted, state)
    differences = (
        *library_differences(settings.library),
        *schema_differences(settings.schema),
        *(text for place in places for text in place.differences),
        *registration,
    )
    findings = tuple(dict.fromkeys(each for place in places for each in place.findings))
    if not differences:
        return Plan(steps=(), findings=findings)
    making = Pegasus(
        tools=settings.tools,
        directory=settings.directory,
        interop=settings.interop,
        kinds=model.schema.qualifiers,
    )
    upgraded = _is_other_version(state, settings.version)
    building = library_step(settings.library, anew=upgraded)
    steps = [_note(places, state, settings, receipt, built=bool(building))]
    steps += [*schema_step(settings.schema), *building]
    # Classes are compiled anew only while nobody serves them.
    again = bool(registration) or any(place.stale for place in places)
    if again:
        steps += making.without_module(state)
    for place in places:
        there = state.classes.get(place.name, {})
        steps += [making.without_class(place.name, one, there) for one in place.stale]
    for place in places:
        steps += _compiling(place, model, state, making)
    if again:
        path = settings.directory / "pegasus-registration.mof"
        steps.append(
            Step(
                purpose="write the registration",
                action=WriteFile(path=path, content=instances_mof(wanted)),
            )
        )
        steps.append(
            Step(
                purpose=f"register the provider in {settings.interop}",
                action=making.compile(settings.interop, path),
                undo=(making.remove_module(),),
            )
        )
    return Plan(steps=tuple(steps), differences=differences, findings=findings)


def _group(state: PegasusState) -> str:
    return next(
        (str(one.get("ModuleGroupName") or "") for one in state.registered.get(MODULE_CLASS, ())),
        "",
    )


def _is_other_version(state: PegasusState, version: str) -> bool:
    return any(one.get("Version") != version for one in state.registered.get(MODULE_CLASS, ()))


def _in_namespace(name: str, model: Model, state: PegasusState) -> _InNamespace:
    found = _InNamespace(name)
    there = state.classes.get(name, {})
    stale: set[str] = set()
    for declared in model.classes[name]:
        known = there.get(declared.classname.lower())
        if known is None:
            found.differences.append(f"{name} has no class {declared.classname}")
            continue
        local, _ = carried("pegasus", _local(declared, model))
        differences = "; ".join(class_differences(declared, local, known.declared()))
        if differences and is_own(declared.classname):
            stale.add(declared.classname)
            found.differences.append(f"{declared.classname} in {name}: {differences}")
        elif differences:
            found.findings.append(
                Finding(kind="differs", name=f"{name}:{declared.classname}", text=differences)
            )
    _take_stale(found, there, stale, {each.classname.lower() for each in model.classes[name]})
    gone = {each.name.lower() for each in found.stale}
    used: set[str] = set()
    for declared in model.classes[name]:
        if declared.classname.lower() in there.keys() - gone:
            continue
        local, findings = carried("pegasus", _local(declared, model))
        found.compiled.append(local)
        found.findings += findings
        used.update(_qualifiers(local))
        if is_experimental(local):
            found.experimental = True
            found.findings.append(
                Finding(
                    kind="not carried",
                    name=declared.classname,
                    text="an experimental class, which OpenPegasus takes only because cimmof is "
                    "told so (-aE)",
                )
            )
    found.qualifiers = sorted(
        (used & model.schema.qualifiers.keys()) - state.qualifiers.get(name, frozenset())
    )
    return found


def _local(declared: CIMClass, model: Model) -> CIMClass:
    above = model.schema.find(declared.superclass) if declared.superclass else None
    return local_declaration(declared, above, model.schema.qualifiers)


def _take_stale(
    found: _InNamespace, there: Mapping[str, ServerClass], stale: set[str], wanted: set[str]
) -> None:
    """Classes of ours that are to be compiled anew or go."""
    for key, one in there.items():
        if is_own(one.name) and key not in wanted:
            stale.add(one.name)
            found.differences.append(f"{one.name} in {found.name} is served no more")
    names = descendants(stale, there)
    foreign = sorted(there[key].name for key in names if not is_own(key))
    if foreign:
        # Not ours to delete, so that what they derive from has to stay.
        found.findings.append(
            Finding(
                kind="differs",
                name=f"{found.name}:{foreign[0]}",
                text="derives from a class of ours, which therefore is not compiled anew",
            )
        )
        names = set()
        found.differences = [text for text in found.differences if " has no class " in text]
    found.stale = in_order_of_deletion(names, there)


def _qualifiers(local: CIMClass) -> Iterator[str]:
    yield from map(str.lower, local.qualifiers)
    for one in (*local.properties.values(), *local.methods.values()):
        yield from map(str.lower, one.qualifiers)
    for method in local.methods.values():
        for parameter in method.parameters.values():
            yield from map(str.lower, parameter.qualifiers)


def _note(
    places: Sequence[_InNamespace],
    state: PegasusState,
    settings: PegasusSettings,
    receipt: Receipt,
    *,
    built: bool,
) -> Step:
    """Write down what will be made, before anything is."""
    made = Receipt(
        interop=settings.interop,
        library=str(settings.library.path) if built else "",
        schema="" if settings.schema.is_there else str(settings.schema.directory),
        made={
            place.name: Made(
                namespace=place.name not in state.classes,
                classes=tuple(each.classname for each in place.compiled),
                qualifiers=tuple(place.qualifiers),
            )
            for place in places
        },
    )
    path = settings.directory / RECEIPT
    return Step(
        purpose="note what will be made",
        action=WriteFile(path=path, content=receipt.with_more(made).text()),
        undo=(RemoveDirectory(path=settings.directory),),
    )


def _compiling(
    place: _InNamespace, model: Model, state: PegasusState, making: Pegasus
) -> Iterator[Step]:
    if not place.compiled:
        return
    path = making.directory / file_name(place.name)
    qualifiers = [model.schema.qualifiers[name] for name in place.qualifiers]
    mof = f"{qualifiers_mof(qualifiers)}\n{classes_mof(place.compiled)}"
    yield Step(
        purpose=f"write the classes of {place.name}", action=WriteFile(path=path, content=mof)
    )
    names = [each.classname for each in place.compiled]
    undo = [making.delete_class(place.name, name) for name in reversed(names)]
    undo += [making.delete_qualifier(place.name, name) for name in place.qualifiers]
    if place.name not in state.classes:
        undo.append(making.delete_namespace(place.name))
    yield Step(
        purpose=f"compile {len(names)} classes into {place.name}",
        action=making.compile(place.name, path, *(("-aE",) if place.experimental else ())),
        undo=tuple(undo),
    )
