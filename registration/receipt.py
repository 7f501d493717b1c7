"""What a registration made, kept in a file: only that is taken back, and nothing of anybody else's.

It is written before anything is made, so that also what was interrupted can be taken back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = ["Made", "Receipt", "ReceiptError", "read_receipt"]


class ReceiptError(Exception):
    """The file is there and cannot be read; the text is a sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made in one namespace: itself or not, classes and qualifiers by name."""

    namespace: bool = False
    classes: tuple[str, ...] = ()
    qualifiers: tuple[str, ...] = ()

    def with_more(self, more: Made) -> Made:
        """Both together."""
        return Made(
            namespace=self.namespace or more.namespace,
            classes=tuple(dict.fromkeys((*self.classes, *more.classes))),
            qualifiers=tuple(dict.fromkeys((*self.qualifiers, *more.qualifiers))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was made for this registration.

    ``library`` is the path of the library, ``schema`` the directory of the schema of the whole
    machine; empty where they were there before.
    """

    interop: str = ""
    library: str = ""
    schema: str = ""
    made: Mapping[str, Made] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, namespace: str) -> Made:
        """What was made in a namespace."""
        return self.made.get(namespace, Made())

    def with_more(self, more: Receipt) -> Receipt:
        """Both together; ``more`` says which interop namespace and which library."""
        names = dict.fromkeys((*self.made, *more.made))
        return Receipt(
            interop=more.interop or self.interop,
            library=more.library or self.library,
            schema=more.schema or self.schema,
            made={name: self.of(name).with_more(more.of(name)) for name in names},
        )

    def text(self) -> str:
        """What the file holds."""
        made = {name: asdict(one) for name, one in self.made.items()}
        content = {
            "interop": self.interop,
            "library": self.library,
            "schema": self.schema,
            "made": made,
        }
        return json.dumps(content, indent=1) + "\n"


def read_receipt(path: Path) -> Receipt:
    """The receipt in ``path``, an empty one where there is no file. Raises ReceiptError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Receipt(
            interop=str(content["interop"]),
            library=str(content["library"]),
            schema=str(content.get("schema", "")),
            made={
                str(name): Made(
                    namespace=bool(one["namespace"]),
                    classes=tuple(map(str, one["classes"])),
                    qualifiers=tuple(map(str, one["qualifiers"])),
                )
                for name, one in content["made"].items()
            },
        )
    except FileNotFoundError:
        return Receipt()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ReceiptError(
            f"{path}, which says what was registered, cannot be read ({error}); put it back from a "
            "backup, or remove the file: then only what has a name of ours is taken back"
        ) from error
