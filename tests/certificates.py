"""A certificate authority, as openssl makes one."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["Authority"]

_CONFIGURATION = """
[ca]
default_ca = here
[here]
database = index.txt
crlnumber = crlnumber
default_md = sha256
certificate = ca.pem
private_key = ca.key
"""


def _openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory / name
        self.directory.mkdir()
        _openssl(
            self.directory,
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.pem"),
        )

    @property
    def ca(self) -> str:
        return str(self.directory / "ca.pem")

    def issue(self, file: str, subject: str, extensions: str = "") -> tuple[str, str]:
        """Certificate and key of a client or server."""
        here = self.directory
        _openssl(
            here,
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject),
            *("-keyout", f"{file}.key", "-out", f"{file}.csr"),
        )
        (here / f"{file}.ext").write_text(extensions)
        _openssl(
            here,
            *("x509", "-req", "-in", f"{file}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", f"{file}.ext", "-out", f"{file}.pem"),
        )
        return str(here / f"{file}.pem"), str(here / f"{file}.key")

    def revocations(self, file: str, *revoked: str, dates: tuple[str, str] | None = None) -> str:
        """A list with these certificates, and all that were revoked before.

        ``dates`` are those between which it is in force, as YYYYMMDDHHMMSSZ; by default a day from
        now on.
        """
        here = self.directory
        if not (here / "crlnumber").exists():
            (here / "ca.cnf").write_text(_CONFIGURATION)
            (here / "crlnumber").write_text("01\n")
            (here / "index.txt").write_text("")
        for certificate in revoked:
            _openssl(here, "ca", "-config", "ca.cnf", "-revoke", certificate)
        limits = ("-crldays", "1")
        if dates is not None:
            limits = ("-crl_lastupdate", dates[0], "-crl_nextupdate", dates[1])
        _openssl(here, "ca", "-config", "ca.cnf", "-gencrl", *limits, "-out", file)
        return str(here / file)
