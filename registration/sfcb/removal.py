"""What has to be done so that nothing of ours is left in sfcb."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from virtcim.registration.library import library_files
from virtcim.registration.plan import Plan, RemoveDirectory, RemoveFile, Step, WriteFile
from virtcim.registration.receipt import Receipt
from virtcim.registration.sfcb.registering import AFTERWARDS, RECEIPT, SfcbSettings
from virtcim.registration.sfcb.server import REGISTRATION_FILE, SfcbState, mof_name
from virtcim.registration.system_schema import schema_removal

__all__ = ["sfcb_removal"]


def sfcb_removal(
    namespaces: Iterable[str], state: SfcbState, settings: SfcbSettings, receipt: Receipt
) -> Plan:
    """The steps that take back what is staged of ours, also in namespaces of the receipt."""
    names = tuple(dict.fromkeys((*namespaces, *receipt.made)))
    steps = [*_unstaging(names, state, settings)]
    if steps:
        put_back = (action for step in reversed(steps) for action in step.undo)
        steps.append(
            Step(
                purpose="make sfcb's repository anew",
                action=settings.rebuild(),
                undo=(*put_back, settings.rebuild()),
            )
        )
    afterwards = AFTERWARDS if steps else ()
    steps += _without_files(names, settings, receipt)
    return Plan(
        steps=tuple(steps),
        differences=tuple(step.purpose for step in steps),
        afterwards=afterwards,
    )


def _unstaging(
    namespaces: Iterable[str], state: SfcbState, settings: SfcbSettings
) -> Iterator[Step]:
    found: list[tuple[Path, tuple[str, ...]]] = [
        (settings.staged_registration(), ("-r", REGISTRATION_FILE))
    ]
    found += [(settings.staged_mof(name), ("-n", name, mof_name(name))) for name in namespaces]
    for staged, words in found:
        if staged in state.staged:
            yield Step(
                purpose=f"take {staged.name} back from what is staged",
                action=settings.unstage(*words),
                undo=(WriteFile(path=staged, content=state.staged[staged]),),
            )


def _without_files(
    namespaces: Iterable[str], settings: SfcbSettings, receipt: Receipt
) -> Iterator[Step]:
    made = [name for name in namespaces if receipt.of(name).namespace]
    directories = {path for name in made for path in settings.staging_directories(name)}
    for directory in sorted(directories, reverse=True):
        if directory.exists():
            yield Step(
                purpose="remove the directory if it is empty",
                action=RemoveDirectory(path=directory),
            )
    paths = [settings.directory / mof_name(name) for name in namespaces]
    paths += [settings.directory / REGISTRATION_FILE, settings.directory / RECEIPT]
    found = [path for path in (*library_files(receipt.library), *paths) if path.exists()]
    for path in found:
        yield Step(purpose="remove a file", action=RemoveFile(path=path))
    yield from schema_removal(receipt.schema)
    if found:
        yield Step(
            purpose="remove the directory if it is empty",
            action=RemoveDirectory(path=settings.directory),
        )
