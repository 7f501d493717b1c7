"""From MOF to resolved classes, and from there to one CIM-XML document and back.

Only the classes that our own MOF files need are compiled, with all their superclasses and the
classes that they refer to.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from pathlib import Path

from pywbem import CIMQualifierDeclaration, MOFCompileError
from pywbem import Error as PywbemError
from pywbem._tupleparse import TupleParser
from pywbem._tupletree import xml_to_tupletree_sax
from pywbem_mock import FakedWBEMConnection

from virtcim.mof.schema import Schema

__all__ = ["CompilationError", "DocumentError", "compile_schema", "from_document", "to_document"]

_HEAD = b'<CIM CIMVERSION="2.0" DTDVERSION="2.4"><DECLARATION><DECLGROUP>\n'
_TAIL = b"</DECLGROUP></DECLARATION></CIM>\n"
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
        repository = FakedWBEMConnection(default_namespace="root/virt")
        qualifiers = sorted(Path(directory).rglob("qualifiers*.mof"))
        try:
            for file in [*qualifiers, mof_file]:
                repository.compile_mof_file(str(file), search_paths=[directory])
        except MOFCompileError as error:
            raise CompilationError(str(error)) from error
    names = repository.EnumerateClassNames(DeepInheritance=True)
    return Schema(
        # EnumerateClasses of the same repository (pywbem 1.9) leaves class origins out.
        [repository.GetClass(name, LocalOnly=False, IncludeClassOrigin=True) for name in names],
        [_with_explicit_scopes(each) for each in repository.EnumerateQualifiers()],
    )


def _extract(archive: bytes, mof_file: Path, directory: Path) -> None:
    """Unpack the qualifiers and the classes that our files need, directly and indirectly.

    The DMTF archive holds 1,600 files, one per class; the compiler needs some thirty of them.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        members = {Path(name).stem.lower(): name for name in content.namelist()}
        wanted = {name for name in members if name.startswith("qualifiers")}
        for file in mof_file.parent.glob("*.mof"):
            wanted |= _needed(file.read_text(encoding="utf-8"))
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
    """The schema as a CIM-XML declaration (DSP0201 5.2.2)."""
    qualifiers = [declared.tocimxmlstr() for declared in schema.qualifiers.values()]
    classes = [
        f"<VALUE.OBJECT>{declared.tocimxmlstr()}</VALUE.OBJECT>"
        for declared in schema.classes.values()
    ]
    return _HEAD + "\n".join([*qualifiers, *classes]).encode() + _TAIL


def from_document(document: bytes) -> Schema:
    """The schema that ``to_document`` wrote. Raises DocumentError."""
    parser = TupleParser()
    try:
        name, _, sections = xml_to_tupletree_sax(document, "compiled schema")
        if name != "CIM":
            raise DocumentError(f"the document is no CIM declaration, but {name}")
        declarations = sections[0][2][0][2]
        qualifiers = [
            parser.parse_any(node) for node in declarations if node[0] == "QUALIFIER.DECLARATION"
        ]
        classes = [
            parser.parse_any(node[2][0]) for node in declarations if node[0] == "VALUE.OBJECT"
        ]
    except (PywbemError, LookupError, TypeError, ValueError) as error:
        raise DocumentError(str(error)) from error
    if not classes or not qualifiers:
        raise DocumentError("the document declares no classes")
    return Schema(classes, qualifiers)
