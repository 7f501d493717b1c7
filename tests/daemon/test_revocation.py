"""Lists of revoked certificates that cannot be used are refused, with the reason."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.certificates import Authority
from virtcim.daemon.listener import parse_listen
from virtcim.daemon.revocation import RevocationError, check_revocation_lists
from virtcim.daemon.tls import TlsError, tls_context

_DATES = ("20260101000000Z", "20260201000000Z")
_BEFORE, _WITHIN, _AFTER = (
    datetime(*date, tzinfo=UTC) for date in ((2025, 12, 31), (2026, 1, 15), (2026, 2, 1))
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="module")
def revoked(authority: Authority) -> Path:
    return Path(authority.revocations("list.pem", dates=_DATES))


def _refusal(path: Path, now: datetime = _WITHIN) -> str:
    with pytest.raises(RevocationError) as caught:
        check_revocation_lists(str(path), now)
    return str(caught.value)


def test_a_list_counts_between_its_dates(revoked: Path) -> None:
    check_revocation_lists(str(revoked), _WITHIN)
    assert _refusal(revoked, _BEFORE) == "a list in it is not valid before 2026-01-01 00:00 UTC"
    assert _refusal(revoked, _AFTER).startswith(
        "a list in it has been out of date since 2026-02-01 00:00 UTC; get a new one"
    )


def test_each_list_in_the_file_counts(revoked: Path, authority: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    later = Path(
        authority.revocations("later.pem", dates=("20260110000000Z", "20500101000000Z"))
    ).read_text()
    both.write_text(f"of two authorities\n{revoked.read_text()}{later}")
    check_revocation_lists(str(both), _WITHIN)
    assert "out of date since 2026-02-01" in _refusal(both, _AFTER)
    assert "not valid before 2026-01-10" in _refusal(both, datetime(2026, 1, 5, tzinfo=UTC))
    assert "out of date since 2050-01-01" in _refusal(
        Path(authority.revocations("last.pem", dates=("20260110000000Z", "20500101000000Z"))),
        datetime(2050, 1, 1, tzinfo=UTC),
    )


def test_what_is_no_list_is_refused(revoked: Path, authority: Authority, tmp_path: Path) -> None:
    text = revoked.read_text()
    der = base64.b64decode("".join(text.splitlines()[1:-1]))
    file = tmp_path / "file"
    for content, said in (
        (b"", "no list of revoked certificates in PEM"),
        (der, "no list of revoked certificates in PEM"),
        (text.encode()[:-30], "a X509 CRL in it has no end"),
        (text.replace("M", "!", 1).encode(), "a X509 CRL in it cannot be read"),
        (_pem(der[:40]), "a list in it cannot be read"),
        (_pem(der + b"more"), "a list in it cannot be read"),
    ):
        file.write_bytes(content)
        assert said in _refusal(file), content
    assert _refusal(tmp_path / "nothing") == "No such file or directory"
    # Its authority would be trusted.
    file.write_text(text + Path(authority.ca).read_text())
    assert _refusal(file) == "it has a CERTIFICATE, where lists of revoked certificates belong"


def _pem(der: bytes) -> bytes:
    text = base64.encodebytes(der)
    return b"-----BEGIN X509 CRL-----\n" + text + b"-----END X509 CRL-----\n"


@given(st.binary(max_size=64))
def test_any_content_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, der: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.pem"
    file.write_bytes(_pem(der))
    assert "cannot be read" in _refusal(file)


def test_a_listener_with_a_list_that_is_out_of_date_says_so(
    revoked: Path, authority: Authority
) -> None:
    certificate, key = authority.issue("server", "/CN=localhost")
    listen = parse_listen(
        "https://127.0.0.1:0",
        cert_file=certificate,
        key_file=key,
        client_ca_file=authority.ca,
        client_crl_file=str(revoked),
    )
    with pytest.raises(TlsError) as caught:
        tls_context(listen)
    assert str(caught.value).startswith(
        f"cannot use the revoked certificates {revoked} for clients of https://127.0.0.1:0: a list "
        "in it has been out of date since"
    )
