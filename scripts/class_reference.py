"""Write docs/classes.md: every class that is served, every association, every method.

All of it comes from the registration of the providers and from the compiled schema.

Example: .venv/bin/python scripts/class_reference.py
With --check nothing is written; the exit status is 1 where the page is not as it would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pywbem import CIMClass, CIMMethod

from virtcim.mof import Schema, SchemaError, load_schema
from virtcim.providers import ASSOCIATIONS, INTEROP, ROOT, Association
from virtcim.registration import Registration, registrations

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "classes.md"
_HEAD = f"""# Classes, associations and methods

<!-- Made by scripts/class_reference.py from the registration and the schema; do not edit. -->

What is served in `{ROOT}` (and `{ROOT}/NAME`) and `{INTEROP}`. Clients may use the CIM_
superclass of any class. What the values come from, and how the methods behave, is in
[the CIM model](cim-model.md).
"""


def page(schema: Schema) -> str:
    """The whole page as Markdown."""
    served = registrations((ROOT, INTEROP))
    associations = {each.name: each for each in ASSOCIATIONS}
    parts = [
        _HEAD,
        "## Classes",
        _table(
            ("class", "superclass", "keys", "namespace"),
            (
                (
                    each.class_name,
                    str(_declared(schema, each.class_name).superclass),
                    ", ".join(_keys(_declared(schema, each.class_name))),
                    _places(each),
                )
                for each in served
                if each.class_name not in associations
            ),
        ),
        "## Associations",
        "The ends are named by their roles; the second is the one of which there may be many.",
        _table(
            ("class", "superclass", "first end", "second end", "further properties", "namespace"),
            (
                _association_row(schema, each, associations[each.class_name])
                for each in served
                if each.class_name in associations
            ),
        ),
        "## Methods",
        _table(
            ("class", "method", "in", "out"),
            (row for each in served for row in _method_rows(schema, each)),
        ),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _association_row(schema: Schema, served: Registration, row: Association) -> tuple[str, ...]:
    declared = _declared(schema, served.class_name)
    own = {name.lower() for name in _keys(declared)}
    further = [name for name in declared.properties if name.lower() not in own]
    ends = (
        f"{end.role}: {', '.join(each.name.removeprefix('VirtCIM_') for each in end.classes)}"
        for end in row.ends
    )
    return (
        served.class_name,
        str(declared.superclass),
        *ends,
        ", ".join(further),
        _places(served),
    )


def _method_rows(schema: Schema, served: Registration) -> Iterator[tuple[str, ...]]:
    declared = _declared(schema, served.class_name)
    for name in served.methods:
        method = declared.methods[name]
        yield served.class_name, name, _parameters(method, "In"), _parameters(method, "Out")


def _parameters(method: CIMMethod, direction: str) -> str:
    """A parameter without a qualifier In is one that goes in (DSP0004 "Standard Qualifiers")."""
    found = []
    for parameter in method.parameters.values():
        qualifier = parameter.qualifiers.get(direction)
        if qualifier.value if qualifier is not None else direction == "In":
            found.append(parameter.name)
    return ", ".join(found)


def _keys(declared: CIMClass) -> list[str]:
    return [each.name for each in declared.properties.values() if "Key" in each.qualifiers]


def _places(served: Registration) -> str:
    return ", ".join(served.namespaces)


def _declared(schema: Schema, name: str) -> CIMClass:
    declared = schema.find(name)
    assert declared is not None, name
    return declared


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit status says whether all is right."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    try:
        text = page(load_schema())
    except SchemaError as error:
        print(f"class_reference: {error}", file=sys.stderr)
        return 1
    if arguments:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
