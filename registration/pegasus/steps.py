"""The steps that registration and removal have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pywbem import CIMQualifierDeclaration

from virtcim.registration.local_declarations import local_declaration
from virtcim.registration.mof_texts import classes_mof, qualifiers_mof
from virtcim.registration.pegasus.instances import instances_mof, registered_again
from virtcim.registration.pegasus.server import (
    MODULE_CLASS,
    NOT_FOUND,
    PegasusState,
    ServerClass,
    Tools,
)
from virtcim.registration.plan import Action, Command, RemoveFile, Step, WriteFile

__all__ = ["MODULE", "Pegasus", "descendants", "file_name", "in_order_of_deletion"]

MODULE = "virtcim"
_NOT_REGISTERED = ("was not registered",)
_STOPPED = ("already disabled", *_NOT_REGISTERED)


def file_name(namespace: str) -> str:
    """The name of the file of a namespace, without blanks or slashes."""
    return f"pegasus-{namespace.replace('/', '-')}.mof"


def descendants(names: Iterable[str], there: Mapping[str, ServerClass]) -> set[str]:
    """The classes ``names`` and all that derive from them, of those that are there; lower case."""
    found = {name.lower() for name in names} & there.keys()
    while more := {
        name for name, one in there.items() if one.superclass.lower() in found and name not in found
    }:
        found |= more
    return found


def in_order_of_deletion(
    names: Iterable[str], there: Mapping[str, ServerClass]
) -> list[ServerClass]:
    """The classes ``names`` (lower case), each in front of what it needs.

    OpenPegasus deletes no class that another derives from, and no class of which it does not find
    the ends, or what they or their methods name (seen with 2.14: an association with a job as its
    end once CIM_Error is gone, which a method of the job gives).
    """
    waiting = sorted(names)
    ordered: list[ServerClass] = []
    while waiting:
        needed = {each for name in waiting for each in there[name].needs() - {name}}
        named = {each for name in waiting for each in there[name].names() - {name}}
        free = [name for name in waiting if name not in needed] or waiting
        taken = [name for name in free if name not in named] or free[:1]
        ordered += [there[name] for name in taken]
        waiting = [name for name in waiting if name not in taken]
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Pegasus:
    """Makes the steps; ``directory`` holds the files that OpenPegasus' programs are given."""

    tools: Tools
    directory: Path
    interop: str
    kinds: Mapping[str, CIMQualifierDeclaration]

    def compile(self, namespace: str, path: Path, *options: str) -> Command:
        """The command that has a file compiled."""
        return Command(words=(self.tools.cimmof, *options, "-n", namespace, str(path)))

    def delete_class(self, namespace: str, name: str) -> Command:
        """The command that deletes a class, which may be gone."""
        words = (self.tools.cimcli, "dc", "-n", namespace, name)
        return Command(words=words, absent=NOT_FOUND)

    def delete_qualifier(self, namespace: str, name: str) -> Command:
        """The command that deletes the declaration of a qualifier, which may be gone."""
        words = (self.tools.cimcli, "dq", "-n", namespace, name)
        return Command(words=words, absent=NOT_FOUND)

    def delete_namespace(self, namespace: str) -> Command:
        """The command that deletes a namespace, which has to be empty and may be gone.

        It is named from the first namespace above it: those between need not be there.
        """
        above, _, name = namespace.partition("/")
        words = (self.tools.cimcli, "di", "-n", above, f'__Namespace.Name="{name}"')
        return Command(words=words, absent=(f"CIM_ERR_INVALID_NAMESPACE: {namespace}",))

    def remove_module(self) -> Command:
        """The command that removes the module, its provider and all that it can do."""
        return Command(words=(self.tools.cimprovider, "-r", "-m", MODULE), absent=_NOT_REGISTERED)

    def without_module(self, state: PegasusState) -> Iterator[Step]:
        """Stop the module and remove it, if there is any of it."""
        if not any(state.registered.values()):
            return
        if state.registered.get(MODULE_CLASS):
            yield Step(
                purpose="stop the provider that is registered",
                action=Command(words=(self.tools.cimprovider, "-d", "-m", MODULE), absent=_STOPPED),
                undo=(
                    Command(
                        words=(self.tools.cimprovider, "-e", "-m", MODULE),
                        absent=("already enabled", *_NOT_REGISTERED),
                    ),
                ),
            )
        yield Step(
            purpose="remove the registration that is there",
            action=self.remove_module(),
            undo=self._again("registration", self.interop, instances_mof(registered_again(state))),
        )

    def without_class(
        self, namespace: str, one: ServerClass, there: Mapping[str, ServerClass]
    ) -> Step:
        """Delete a class of the server, which gets it back as it was if something fails."""
        above = there.get(one.superclass.lower())
        local = local_declaration(
            one.declared(), None if above is None else above.declared(), self.kinds
        )
        return Step(
            purpose=f"delete the class {one.name} in {namespace}",
            action=self.delete_class(namespace, one.name),
            undo=self._again(f"{namespace}-{one.name}", namespace, classes_mof([local])),
        )

    def without_qualifier(self, namespace: str, name: str) -> Step:
        """Delete the declaration of a qualifier."""
        declared = self.kinds.get(name.lower())
        return Step(
            purpose=f"delete the qualifier {name} in {namespace}",
            action=self.delete_qualifier(namespace, name),
            undo=()
            if declared is None
            else self._again(f"{namespace}-{name}", namespace, qualifiers_mof([declared])),
        )

    def _again(self, name: str, namespace: str, mof: str) -> tuple[Action, ...]:
        """Have something compiled once more that has just been taken away."""
        path = self.directory / f"again-{name.replace('/', '-')}.mof"
        return (
            WriteFile(path=path, content=mof),
            self.compile(namespace, path, "-aE"),
            RemoveFile(path=path),
        )
