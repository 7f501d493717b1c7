"""What has to be done so that sfcb serves our classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pywbem import CIMClass

from virtcim.registration.carrying import carried, never_filled_in
from virtcim.registration.library import library_differences, library_step
from virtcim.registration.local_declarations import local_declaration
from virtcim.registration.model import Library, Model, is_own
from virtcim.registration.mof_texts import classes_mof
from virtcim.registration.plan import (
    Action,
    Command,
    Finding,
    Plan,
    RemoveDirectory,
    Step,
    WriteFile,
)
from virtcim.registration.receipt import Made, Receipt
from virtcim.registration.registry import Registration
from virtcim.registration.sfcb.server import (
    REGISTRATION_FILE,
    Directories,
    SfcbState,
    Tools,
    mof_name,
)
from virtcim.registration.system_schema import SystemSchema, schema_differences, schema_step

__all__ = ["AFTERWARDS", "RECEIPT", "SfcbSettings", "registration_text", "sfcb_plan"]

RECEIPT = "sfcb.json"
PROVIDER = "virtcim"
AFTERWARDS = ("restart sfcb, which reads its repository when it starts",)
# sfcb reads lines of at most 1,023 characters.
_MOST_LINE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SfcbSettings:
    """``options`` are given to sfcb's programs where its directories are other than packaged.

    ``user`` is whom the provider runs as, sfcb's own user if it is empty.
    """

    tools: Tools
    directory: Path
    places: Directories
    is_packaged: bool
    library: Library
    schema: SystemSchema
    user: str = ""

    def stage(self, *words: str) -> Command:
        """The command that stages a file."""
        return Command(words=(self.tools.sfcbstage, *self._stage_option(), *words))

    def unstage(self, *words: str) -> Command:
        """The command that takes a staged file back; one that is gone is none of its concern."""
        return Command(words=(self.tools.sfcbunstage, *self._stage_option(), *words))

    def rebuild(self) -> Command:
        """The command that makes the repository anew; instances that clients made are kept."""
        options: tuple[str, ...] = ()
        if not self.is_packaged:
            options = (
                *self._stage_option(),
                *("-r", str(self.places.registration), "-c", str(self.places.schema)),
            )
        return Command(words=(self.tools.sfcbrepos, "-f", *options))

    def staged_mof(self, namespace: str) -> Path:
        """Where the file of a namespace is when it is staged."""
        return self.places.stage / "mofs" / namespace / mof_name(namespace)

    def staging_directories(self, namespace: str) -> tuple[Path, ...]:
        """Where files of a namespace are staged, with the directories above it, which come last."""
        found = self.staged_mof(namespace).parent
        above = takewhile(lambda path: path != self.places.stage / "mofs", found.parents)
        return (found, *above)

    def staged_registration(self) -> Path:
        """Where the registration file is when it is staged."""
        return self.places.stage / "regs" / REGISTRATION_FILE

    def _stage_option(self) -> tuple[str, ...]:
        return () if self.is_packaged else ("-s", str(self.places.stage))


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file that is given to sfcbstage: ours, where it is staged, and what stages it."""

    path: Path
    content: str
    staged: Path
    stage: Command
    unstage: tuple[Action, ...]


def sfcb_plan(model: Model, state: SfcbState, settings: SfcbSettings, receipt: Receipt) -> Plan:
    """The steps from what there is to what there should be; none where all is there."""
    findings: list[Finding] = []
    wanted = {name: _wanted(name, model, state, findings) for name in model.classes}
    served = {row.class_name for row in model.registrations}
    for declared in dict.fromkeys(
        one for classes in model.classes.values() for one in classes if one.classname in served
    ):
        findings += never_filled_in("sfcb", declared)
    text = registration_text(model.registrations, settings.library.name, settings.user)
    files = [
        *(_mof_file(name, classes_mof(classes), settings) for name, classes in wanted.items()),
        _registration_file(text, settings),
    ]
    changed = [one for one in files if not _is_staged(one, state)]
    of_sfcb = [f"{one.staged} is not as it should be" for one in changed]
    if text not in state.register:
        of_sfcb.append("sfcb's list of providers does not hold the registration")
    of_sfcb += [
        f"{name} is not in sfcb's repository" for name in wanted if name not in state.compiled
    ]
    of_machine = *library_differences(settings.library), *schema_differences(settings.schema)
    differences = [*of_machine, *of_sfcb]
    told = tuple(dict.fromkeys(findings))
    if not differences:
        return Plan(steps=(), findings=told)
    building = library_step(settings.library, anew=False)
    steps = [_note(wanted, settings, receipt, built=bool(building))]
    steps += [*schema_step(settings.schema), *building]
    for one in changed:
        steps += _staging(one, state)
    if of_sfcb:
        steps.append(_rebuilding(changed, state, settings))
    return Plan(
        steps=tuple(steps),
        differences=tuple(differences),
        findings=told,
        afterwards=AFTERWARDS,
    )


def _rebuilding(changed: Sequence[_File], state: SfcbState, settings: SfcbSettings) -> Step:
    return Step(
        purpose="make sfcb's repository anew",
        action=settings.rebuild(),
        # From what was staged before; the steps above then find that already done.
        undo=(
            *(action for one in reversed(changed) for action in _unstaging(one, state)),
            settings.rebuild(),
        ),
    )


def registration_text(rows: Iterable[Registration], location: str, user: str) -> str:
    """sfcb's registration file: one provider name for all classes, which gives one process.

    A stanza lists the namespaces; of further stanzas of the same class and provider sfcb takes the
    first namespace.
    """
    return "".join(
        f"[{row.class_name}]\n"
        f"   provider: {PROVIDER}\n"
        f"   location: {location}\n"
        f"   type: {' '.join(row.kinds)}\n"
        f"   namespace: {names}\n"
        + (f"   user: {user}\n" if user else "")
        + "   unload: never\n#\n"
        for row in rows
        for names in _lines(row.namespaces)
    )


def _lines(namespaces: Iterable[str]) -> Iterator[str]:
    first = ""
    rest: list[str] = []
    for name in namespaces:
        if rest or len(first) + len(name) > _MOST_LINE:
            rest.append(name)
        else:
            first = f"{first} {name}".strip()
    yield first
    yield from rest


def _wanted(name: str, model: Model, state: SfcbState, findings: list[Finding]) -> list[CIMClass]:
    """The classes that have to be staged for a namespace: all that sfcb does not have itself."""
    there = state.versions.get(name, {})
    found: list[CIMClass] = []
    for declared in model.classes[name]:
        version = there.get(declared.classname.lower())
        if version is not None:
            ours = declared.qualifiers.get("Version")
            if ours is not None and ours.value != version:
                text = f"its version is {version or 'not given'}, not {ours.value}"
                findings.append(
                    Finding(kind="differs", name=f"{name}:{declared.classname}", text=text)
                )
            if not is_own(declared.classname):
                continue
        above = model.schema.find(declared.superclass) if declared.superclass else None
        local, missing = carried(
            "sfcb", local_declaration(declared, above, model.schema.qualifiers)
        )
        found.append(local)
        findings += missing
    return found


def _mof_file(namespace: str, mof: str, settings: SfcbSettings) -> _File:
    path = settings.directory / mof_name(namespace)
    return _File(
        path=path,
        content=mof,
        staged=settings.staged_mof(namespace),
        stage=settings.stage("-n", namespace, str(path)),
        unstage=(
            settings.unstage("-n", namespace, path.name),
            *(
                RemoveDirectory(path=directory)
                for directory in settings.staging_directories(namespace)
                if not directory.exists()
            ),
        ),
    )


def _registration_file(text: str, settings: SfcbSettings) -> _File:
    path = settings.directory / REGISTRATION_FILE
    return _File(
        path=path,
        content=text,
        staged=settings.staged_registration(),
        stage=settings.stage("-r", str(path)),
        unstage=(settings.unstage("-r", path.name),),
    )


def _is_staged(one: _File, state: SfcbState) -> bool:
    """Staged MOF has gone through a preprocessor; what it was made of is what we have kept."""
    if one.staged not in state.staged:
        return False
    try:
        return one.path.read_text(encoding="utf-8") == one.content
    except OSError:
        return False


def _staging(one: _File, state: SfcbState) -> Iterator[Step]:
    yield Step(
        purpose=f"write {one.path.name}", action=WriteFile(path=one.path, content=one.content)
    )
    yield Step(
        purpose=f"stage {one.path.name}", action=one.stage, undo=tuple(_unstaging(one, state))
    )


def _unstaging(one: _File, state: SfcbState) -> Iterator[Action]:
    before = state.staged.get(one.staged)
    if before is None:
        yield from one.unstage
    else:
        yield WriteFile(path=one.staged, content=before)


def _note(
    namespaces: Iterable[str],
    settings: SfcbSettings,
    receipt: Receipt,
    *,
    built: bool,
) -> Step:
    made = Receipt(
        library=str(settings.library.path) if built else "",
        schema="" if settings.schema.is_there else str(settings.schema.directory),
        made={
            name: Made(namespace=not settings.staged_mof(name).parent.exists())
            for name in namespaces
        },
    )
    path = settings.directory / RECEIPT
    return Step(
        purpose="note what will be made",
        action=WriteFile(path=path, content=receipt.with_more(made).text()),
        undo=(RemoveDirectory(path=settings.directory),),
    )
