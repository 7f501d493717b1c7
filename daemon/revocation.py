"""Lists of revoked certificates (RFC 5280): whether a file of them can be used.

OpenSSL verifies with them. What it does not do is to say in time that a list is out of date, or
that a file has certificates instead, which it would trust from then on.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["RevocationError", "check_revocation_lists"]

_BEGIN, _END = "-----BEGIN ", "-----END "
_LIST = "X509 CRL"
_INTEGER, _SEQUENCE, _UTC_TIME, _GENERAL_TIME = 0x02, 0x30, 0x17, 0x18
_FORMATS = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERAL_TIME: "%Y%m%d%H%M%SZ"}


class RevocationError(Exception):
    """A file of revoked certificates cannot be used; the text says why."""


def check_revocation_lists(file: str, now: datetime) -> None:
    """Refuse a file that is not made of lists in force at ``now``. Raises RevocationError."""
    try:
        text = Path(file).read_text(encoding="ascii")
    except OSError as exc:
        raise RevocationError(exc.strerror or str(exc)) from exc
    except UnicodeDecodeError:
        text = ""  # DER, as a rule
    found = 0
    for kind, der in _pem_blocks(text):
        if kind != _LIST:
            raise RevocationError(f"it has a {kind}, where lists of revoked certificates belong")
        _check_dates(der, now)
        found += 1
    if not found:
        raise RevocationError("it has no list of revoked certificates in PEM (X509 CRL)")


def _pem_blocks(text: str) -> Iterator[tuple[str, bytes]]:
    """What the file is made of: the label and the content of each block."""
    for block in text.split(_BEGIN)[1:]:
        kind, _, rest = block.partition("-----")
        content, end, _ = rest.partition(f"{_END}{kind}-----")
        try:
            if not end:
                raise RevocationError(f"a {kind} in it has no end")
            yield kind, a2b_base64("".join(content.split()), strict_mode=True)
        except Base64Error as exc:
            raise RevocationError(f"a {kind} in it cannot be read: {exc}") from exc


def _check_dates(der: bytes, now: datetime) -> None:
    """Refuse a list that is not in force (RFC 5280 "This Update", "Next Update")."""
    try:
        [(kind, content)] = _elements(der)
        parts = _elements(_of(_SEQUENCE, *_elements(_of(_SEQUENCE, kind, content))[0]))
        if parts[0][0] == _INTEGER:  # the version
            parts = parts[1:]
        _, _, this_update, *others = parts
        begins = _time(*this_update)
        ends = _time(*others[0]) if others and others[0][0] in _FORMATS else None
    except (ValueError, IndexError) as exc:
        raise RevocationError("a list in it cannot be read") from exc
    if begins > now:
        raise RevocationError(f"a list in it is not valid before {begins:%Y-%m-%d %H:%M} UTC")
    if ends is not None and ends <= now:
        raise RevocationError(
            f"a list in it has been out of date since {ends:%Y-%m-%d %H:%M} UTC; get a new one "
            "from the authority"
        )


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents that follow each other (X.690). Raises ValueError and IndexError."""
    found, place = [], 0
    while place < len(der):
        tag, length = der[place], der[place + 1]
        place += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[place : place + size])
            place += size
        if place + length > len(der):
            raise ValueError("cut off")
        found.append((tag, der[place : place + length]))
        place += length
    return found


def _of(expected: int, tag: int, content: bytes) -> bytes:
    if tag != expected:
        raise ValueError(f"tag {tag}")
    return content


def _time(tag: int, content: bytes) -> datetime:
    if tag not in _FORMATS:
        raise ValueError(f"tag {tag}")
    return datetime.strptime(content.decode("ascii"), _FORMATS[tag]).replace(tzinfo=UTC)
