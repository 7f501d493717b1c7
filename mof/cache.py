"""The cache of the compiled schema: made once by ``virtcim schema``, read by every server.

The cache directory holds the DMTF archive and one compiled document per state of our MOF files.
Both are replaced as a whole (written aside, then renamed) under a lock, so that any number of
processes may do so at once and a reader always sees a complete file.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from virtcim.mof.compiler import (
    CompilationError,
    DocumentError,
    compile_schema,
    from_document,
    to_document,
)
from virtcim.mof.dmtf import SchemaSourceError, read_archive, sha256
from virtcim.mof.schema import Schema
from virtcim.mof.standard import OPTIONAL_CLASSES

__all__ = [
    "SYSTEM_CACHE",
    "SchemaError",
    "cache_directory",
    "ensure_schema",
    "has_current_schema",
    "kept_archive",
    "load_schema",
    "schema_files",
]

SYSTEM_CACHE = Path(os.environ.get("VIRTCIM_SYSTEM_CACHE") or "/var/cache/virtcim")
"""Where users find the schema who have none of their own, or no home: a CIM server's, say."""

_log = logging.getLogger(__name__)
_ARCHIVE = "dmtf-cim-schema.zip"
_LOCK = ".lock"
_MOF = Path(str(files("virtcim.mof").joinpath("virtcim.mof")))
# Part of the key of a compiled document: to be raised when its form changes.
_FORM = "2"


class SchemaError(Exception):
    """There is no compiled schema, or it could not be made; the text is a sentence for a person."""


def cache_directory() -> Path:
    """Where the schema is kept: $VIRTCIM_CACHE, $XDG_CACHE_HOME/virtcim or ~/.cache/virtcim."""
    if own := os.environ.get("VIRTCIM_CACHE"):
        return Path(own)
    if common := os.environ.get("XDG_CACHE_HOME"):
        return Path(common) / "virtcim"
    try:
        return Path.home() / ".cache" / "virtcim"
    except RuntimeError as error:
        raise SchemaError("there is no home directory: set VIRTCIM_CACHE to a directory") from error


def ensure_schema(
    cache_dir: Path | None = None,
    progress: Callable[[str], None] = _log.info,
    *,
    file: Path | None = None,
    force: bool = False,
) -> Path:
    """Make the compiled schema unless it is there, and give its path.

    The DMTF archive is ``file``, else the file that $VIRTCIM_CIM_SCHEMA names, else the one in
    the cache, else it is fetched. ``force`` fetches and compiles again. Raises SchemaError.
    """
    directory = cache_dir or cache_directory()
    named = os.environ.get("VIRTCIM_CIM_SCHEMA")
    file = file or (Path(named) if named else None)
    target = _compiled_path(directory)
    try:
        with _locked(directory):
            archive_path = directory / _ARCHIVE
            known = archive_path.read_bytes() if archive_path.exists() else b""
            archive = known
            if file is not None or force or not known:
                archive = read_archive(file, progress)
            if force or archive != known or _read(target) is None:
                _compile(archive, target, progress)
            if archive != known:
                _replace(archive_path, archive)
            if directory == SYSTEM_CACHE:
                directory.chmod(0o755)  # whatever the umask: it is there for others
    except (SchemaSourceError, CompilationError) as error:
        raise SchemaError(str(error)) from error
    except OSError as error:
        raise SchemaError(f"cannot keep the schema in {directory}: {error}") from error
    return target


def load_schema(cache_dir: Path | None = None) -> Schema:
    """The compiled schema, without any network access.

    One that is damaged or older than our MOF files is compiled anew from the archive in the
    cache; where that is not there either, the system's cache is read. Raises SchemaError.
    """
    try:
        directory = cache_dir or cache_directory()
    except SchemaError:
        directory = SYSTEM_CACHE
    schema = _read(_compiled_path(directory))
    if schema is None and cache_dir is None and not _has_archive(directory):
        schema = _read(_compiled_path(SYSTEM_CACHE))
    if schema is not None:
        return schema
    if not _has_archive(directory):
        places = dict.fromkeys(map(str, (directory, SYSTEM_CACHE)))
        raise SchemaError(
            f"there is no compiled CIM schema in {' or '.join(places)}: run `virtcim schema` once, "
            "or `virtcim schema --system` for all users"
        )
    schema = _read(ensure_schema(directory))
    if schema is None:
        raise SchemaError(f"the CIM schema in {directory} cannot be read: `virtcim schema --force`")
    return schema


def has_current_schema(directory: Path) -> bool:
    """Whether the compiled schema is there, whole, and that of our MOF files."""
    return _read(_compiled_path(directory)) is not None


def kept_archive(directory: Path) -> Path | None:
    """The DMTF archive that a schema was compiled from, None where it is not there."""
    return directory / _ARCHIVE if _has_archive(directory) else None


def schema_files(directory: Path) -> tuple[Path, ...]:
    """The files that ``ensure_schema`` makes in a directory, also older ones that are there."""
    made = (_compiled_path(directory), directory / _ARCHIVE, directory / _LOCK)
    return tuple(dict.fromkeys((*sorted(directory.glob("schema-*.xml")), *made)))


def _has_archive(directory: Path) -> bool:
    try:
        return (directory / _ARCHIVE).exists()
    except PermissionError:
        # The home of another user, where a CIM server runs its agents as somebody else.
        return False


def _compiled_path(directory: Path) -> Path:
    """The path of the compiled document; every change of what is compiled gives another one."""
    parts = [
        _FORM.encode(),
        *map(str.encode, OPTIONAL_CLASSES),
        *(file.read_bytes() for file in sorted(_MOF.parent.glob("*.mof"))),
    ]
    return directory / f"schema-{sha256(b'|'.join(parts))[:16]}.xml"


def _read(path: Path) -> Schema | None:
    """The schema in ``path``, None where there is none or it is damaged."""
    try:
        document = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    checksum, _, body = document.partition(b"\n")
    if checksum != _checksum_line(body):
        _log.warning("the compiled schema %s is damaged", path)
        return None
    try:
        return from_document(document)
    except DocumentError as error:
        _log.warning("the compiled schema %s cannot be read: %s", path, error)
        return None


def _compile(archive: bytes, target: Path, progress: Callable[[str], None]) -> None:
    progress("compiling the CIM schema")
    body = to_document(compile_schema(archive, _MOF))
    _replace(target, _checksum_line(body) + b"\n" + body)
    for other in target.parent.glob("schema-*.xml"):
        if other != target:
            other.unlink(missing_ok=True)


def _checksum_line(body: bytes) -> bytes:
    return f"<!-- sha256 {sha256(body)} -->".encode()


def _replace(path: Path, content: bytes) -> None:
    """Write ``path`` so that every reader sees the old content or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # The cache may be shared between users; there is nothing secret in it.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
