"""Where the DMTF CIM schema comes from: a local file, or the pinned pywbem source distribution.

The DMTF publishes the schema as an archive of MOF files; it is not ours to copy. The source
distribution of pywbem carries the archive of version 2.49 (final) among its tests.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["SchemaSourceError", "read_archive", "sha256"]

_DISTRIBUTION = "pywbem"
_VERSION = "1.9.1"
_SDIST_SHA256 = "b537ebe837c4fd6f227c75dd196175e105b95fae9adcf19f790457ba35753343"
_MEMBER = f"{_DISTRIBUTION}-{_VERSION}/tests/schema/cim_schema_2.49.0Final-MOFs.zip"
_ARCHIVE_SHA256 = "101bf198d7b760833c02a4a5aa49e2f8216669fbc83715c61c934c71e47ed09b"
_DOWNLOAD_TIMEOUT_S = 300.0
# The archive of version 2.49 unpacks to 5.5 MB.
_MAX_UNPACKED_BYTES = 64 * 1024 * 1024


class SchemaSourceError(Exception):
    """The DMTF schema could not be obtained; the text is a sentence for a person."""


def sha256(content: bytes) -> str:
    """The SHA-256 of ``content`` in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_archive(file: Path | None, progress: Callable[[str], None]) -> bytes:
    """The schema archive (zip) of ``file``, else of the source distribution, hash-checked.

    A file that somebody names is taken as it is if it holds what is needed of a CIM schema.
    Raises SchemaSourceError.
    """
    if file is None:
        progress(f"fetching the CIM schema ({_DISTRIBUTION} {_VERSION} source distribution)")
        with tempfile.TemporaryDirectory(prefix="virtcim-schema-") as directory:
            content = _from_sdist(_download(Path(directory)))
    else:
        progress(f"reading the CIM schema from {file}")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise SchemaSourceError(f"cannot read {file}: {error.strerror}") from error
    _check_archive(content, file)
    return content


def _download(directory: Path) -> Path:
    """Let pip fetch the source distribution and check its hash."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{_DISTRIBUTION}=={_VERSION} --hash=sha256:{_SDIST_SHA256}\n")
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-input"),
        *("--no-deps", "--no-binary", _DISTRIBUTION, "--require-hashes"),
        *("--dest", str(directory), "--requirement", str(requirements)),
    ]
    advice = (
        "download the archive of MOF files of CIM schema 2.49 from the DMTF "
        "(https://www.dmtf.org/standards/cim) and name it with --file"
    )
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SchemaSourceError(f"cannot run pip: {error}; or {advice}") from error
    sdist = directory / f"{_DISTRIBUTION}-{_VERSION}.tar.gz"
    if done.returncode != 0 or not sdist.exists():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise SchemaSourceError(f"pip cannot fetch the CIM schema: {reason}; or {advice}")
    return sdist


def _from_sdist(sdist: Path) -> bytes:
    try:
        with tarfile.open(sdist) as archive:
            member = archive.extractfile(_MEMBER)
            content = b"" if member is None else member.read()
    except (tarfile.TarError, KeyError, OSError) as error:
        raise SchemaSourceError(f"{sdist.name} does not hold {_MEMBER}: {error}") from error
    if sha256(content) != _ARCHIVE_SHA256:
        raise SchemaSourceError(f"{_MEMBER} is not the file that was expected (its hash differs)")
    return content


def _check_archive(content: bytes, file: Path | None) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise SchemaSourceError(f"{file} is not a zip archive") from error
    names = {Path(member.filename).name for member in members}
    if not {"qualifiers.mof", "CIM_ComputerSystem.mof"} <= names:
        raise SchemaSourceError(f"{file} does not hold the MOF files of a CIM schema")
    if sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
        raise SchemaSourceError(f"{file} unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
