"""What a server cannot carry of our model: it is left out or not filled in, and named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pywbem import CIMClass

from virtcim.mof import is_embedded
from virtcim.registration.plan import Finding

__all__ = ["Server", "carried", "carried_namespaces", "is_experimental", "never_filled_in"]

Server = Literal["pegasus", "sfcb"]

# OpenPegasus takes names of CIM elements only, and neither MOF compiler any word of MOF.
_ELEMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD_OF_MOF = "ref"


def carried(server: Server, declared: CIMClass) -> tuple[CIMClass, tuple[Finding, ...]]:
    """A class as the server can have it, and what it cannot have of it.

    A REF property in a class that is no association is left out for OpenPegasus, and so is, for
    both, a method with a parameter called Ref, which their compilers take for the word of MOF.
    """
    findings = [*_references(server, declared), *_parameters(declared)]
    without = {finding.name.rpartition(".")[2].split("(")[0].lower() for finding in findings}
    local = declared.copy()
    local.properties = [
        (one.name, one) for one in declared.properties.values() if one.name.lower() not in without
    ]
    local.methods = [
        (one.name, one) for one in declared.methods.values() if one.name.lower() not in without
    ]
    return local, tuple(findings)


def never_filled_in(server: Server, declared: CIMClass) -> tuple[Finding, ...]:
    """What of a served class is declared, and yet no client of this server sees a value of."""
    if server != "sfcb":
        return ()
    return tuple(
        Finding(
            kind="not carried",
            name=f"{declared.classname}.{one.name}",
            text="an embedded instance as a property; it stays NULL",
        )
        for one in declared.properties.values()
        if is_embedded(one)
    )


def is_experimental(declared: CIMClass) -> bool:
    """Whether OpenPegasus compiles the class only when it is told to take experimental ones."""
    found = declared.qualifiers.get("Experimental")
    return found is not None and bool(found.value)


def carried_namespaces(
    server: Server, namespaces: Iterable[str]
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The namespaces that the server can have, and the others."""
    names = tuple(namespaces)
    good = tuple(
        name
        for name in names
        if server != "pegasus" or all(map(_ELEMENT_NAME.fullmatch, name.split("/")))
    )
    return good, tuple(
        Finding(
            kind="not carried",
            name=name,
            text="the names of OpenPegasus' namespaces have letters, digits and _ only; give the "
            "hypervisor such a name",
        )
        for name in names
        if name not in good
    )


def _references(server: Server, declared: CIMClass) -> Iterator[Finding]:
    if server == "pegasus" and "Association" not in declared.qualifiers:
        for one in declared.properties.values():
            if one.reference_class:
                yield Finding(
                    kind="not carried",
                    name=f"{declared.classname}.{one.name}",
                    text="a reference in a class that is no association; it is left out",
                )


def _parameters(declared: CIMClass) -> Iterator[Finding]:
    for method in declared.methods.values():
        for parameter in method.parameters.values():
            if parameter.name.lower() == _WORD_OF_MOF:
                yield Finding(
                    kind="not carried",
                    name=f"{declared.classname}.{method.name}({parameter.name})",
                    text="a parameter whose name is a word of MOF; the method is left out",
                )
