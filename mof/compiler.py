"""From MOF to resolved classes, and from there to one CIM-XML document and back.

Only the classes that our own MOF files need and the optional ones that clients look for are
compiled, with all their superclasses and the classes that they refer to.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pywbem import CIMClass, CIMQualifierDeclaration, MOFCompileError
from pywbem import Error as PywbemError
from pywbem_mock import FakedWBEMConnection

from virtcim.mof.pywbem_reading import read_element, read_elements
from virtcim.mof.schema import ClassOutline, Schema
from virtcim.mof.standard import OPTIONAL_CLASSES

__all__ = ["CompilationError", "DocumentError", "compile_schema", "from_document", "to_document"]

_NAMESPACE = "root/virt"
_HEAD = b'<CIM CIMVERSION="2.0" DTDVERSION="2.4"><DECLARATION><DECLGROUP>\n'
_TAIL = b"</DECLGROUP></DECLARATION></CIM>\n"
_OBJECT, _OBJECT_END = b"<VALUE.OBJECT>", b"</VALUE.OBJECT>\n"
_REFERRED = re.compile(
    r'class\s+\w+\s*:\s*(\w+)|(\w+)\s+REF\s|EmbeddedInstance\s*\(\s*"(\w+)"', re.IGNORECASE
)
_SCOPES = ("CLASS", "ASSOCIATION", "REFERENCE", "PROPERTY", "METHOD", "PARAMETER", "INDICATION")


class CompilationError(Exception):
    """The MOF files do not compile; the text names file and line."""


class DocumentError(Exception):
    """A document is not a compiled schema."""


def compile_schema(archive: bytes, mof_file: Path) -> Schema:
    """Compile ``mof_file`` against the DMTF schema in ``archive`` (zip).

    Raises CompilationError.
    """
    with tempfile.TemporaryDirectory(prefix="virtcim-mof-") as directory:
        _extract(archive, mof_file, Path(directory))
        repository = FakedWBEMConnection(default_namespace=_NAMESPACE)
        qualifiers = sorted(Path(directory).rglob("qualifiers*.mof"))
        try:
            for file in [*qualifiers, mof_file]:
                repository.compile_mof_file(str(file), search_paths=[directory])
            _compile_optional(repository, Path(directory))
        except MOFCompileError as error:
            raise CompilationError(str(error)) from error
    names = repository.EnumerateClassNames(DeepInheritance=True)
    # The operations of the same repository (pywbem 1.9) copy each class in depth, and
    # EnumerateClasses leaves class origins out.
    compiled = repository.cimrepository.get_class_store(_NAMESPACE)
    return Schema(
        [compiled.get(name, copy=False) for name in names],
        [_with_explicit_scopes(each) for each in repository.EnumerateQualifiers()],
    )


def _compile_optional(repository: FakedWBEMConnection, directory: Path) -> None:
    """Compile the optional classes that nothing else needed; an older schema may lack some."""
    for name in OPTIONAL_CLASSES:
        file = directory / f"{name.lower()}.mof"
        known = repository.cimrepository.get_class_store(_NAMESPACE)
        if file.exists() and not known.object_exists(name):
            repository.compile_mof_file(str(file), search_paths=[str(directory)])


def _extract(archive: bytes, mof_file: Path, directory: Path) -> None:
    """Unpack the qualifiers and the classes that our files need, directly and indirectly.

    The DMTF archive holds 1,600 files, one per class; the compiler needs some 150 of them.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        members = {Path(name).stem.lower(): name for name in content.namelist()}
        wanted = {name for name in members if name.startswith("qualifiers")}
        for file in mof_file.parent.glob("*.mof"):
            wanted |= _needed(file.read_text(encoding="utf-8"))
        wanted |= {name.lower() for name in OPTIONAL_CLASSES}
        done: set[str] = set()
        while pending := (wanted - done) & members.keys():
            for name in pending:
                text = content.read(members[name]).decode("utf-8", "replace")
                (directory / f"{name}.mof").write_text(text, encoding="utf-8")
                wanted |= _needed(text)
            done |= pending


def _needed(mof: str) -> set[str]:
    """The classes that a MOF text refers to, in lower case."""
    return {(match[1] or match[2] or match[3]).lower() for match in _REFERRED.finditer(mof)}


def _with_explicit_scopes(declared: CIMQualifierDeclaration) -> CIMQualifierDeclaration:
    """The declaration without the scope ``any``, which MOF has and CIM-XML has not."""
    everywhere = declared.scopes.get("ANY", False)
    declared.scopes = {
        scope: True for scope in _SCOPES if everywhere or declared.scopes.get(scope, False)
    }
    return declared


def to_document(schema: Schema) -> bytes:
    """The schema as a CIM-XML declaration (DSP0201 "DECLARATION") behind an index of its parts."""
    qualifiers = "".join(each.tocimxmlstr() for each in schema.qualifiers.values()).encode()
    entries: list[tuple[ClassOutline, int, int]] = []
    body = bytearray(_HEAD + qualifiers + b"\n")
    for name, declared in schema.classes.items():
        text = declared.tocimxmlstr().encode()
        body += _OBJECT
        entries.append((schema.outlines[name], len(body), len(text)))
        body += text + _OBJECT_END
    index = json.dumps({"qualifiers": [len(_HEAD), len(qualifiers)], "classes": entries})
    return b"<!-- " + index.encode() + b" -->\n" + bytes(body) + _TAIL


def from_document(document: bytes) -> Schema:
    """The schema that ``to_document`` wrote, its classes read as they are asked for.

    Raises DocumentError.
    """
    first, _, body = document.partition(b"\n")
    if not first.startswith(b"<!-- {"):
        # The checksum of whoever keeps the document.
        first, _, body = body.partition(b"\n")
    try:
        index = json.loads(first.removeprefix(b"<!-- ").removesuffix(b" -->"))
        start, length = index["qualifiers"]
        listed = b"<DECLGROUP>" + body[start : start + length] + b"</DECLGROUP>"
        qualifiers = read_elements(listed)
        outlines: list[ClassOutline] = []
        places: dict[str, tuple[int, int]] = {}
        for (name, superclass, is_association, properties), at, size in index["classes"]:
            outlines.append(ClassOutline(name, superclass, is_association, tuple(properties)))
            places[name.lower()] = (at, size)
            if at + size > len(body):
                raise DocumentError(f"the document ends before {name}")
        classes = _StoredClasses(body, places)
        schema = Schema(classes, qualifiers, outlines)
    except (PywbemError, LookupError, TypeError, ValueError) as error:
        raise DocumentError(str(error)) from error
    if not places or not qualifiers:
        raise DocumentError("the document declares no classes")
    return schema


class _StoredClasses(Mapping[str, CIMClass]):
    """The classes of a document by lower-case name, each read when it is first asked for."""

    def __init__(self, body: bytes, places: Mapping[str, tuple[int, int]]) -> None:
        self._body = body
        self._places = places
        self._read: dict[str, CIMClass] = {}

    def __getitem__(self, name: str) -> CIMClass:
        known = self._read.get(name)
        if known is None:
            at, size = self._places[name]
            # Two threads may read it at once: all get the same one.
            known = self._read.setdefault(name, read_element(self._body[at : at + size]))
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
