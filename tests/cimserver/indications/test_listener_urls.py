"""The URLs of listeners: what is accepted means one thing, everything else is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.cimserver.indications.subscriptions.destinations import (
    DestinationError,
    read_destination,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://console:5990", "http://console:5990/"),
        ("HTTPS://Console.Example/a/b?c=d", "https://console.example/a/b?c=d"),
        ("console:5990", "http://console:5990/"),
        ("10.0.0.1", "http://10.0.0.1/"),
        ("http://[::1]:5989/x", "http://[::1]:5989/x"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]/"),
        ("http://a_b.example./", "http://a_b.example./"),
        ("http://xn--bcher-kva.example:65535", "http://xn--bcher-kva.example:65535/"),
    ],
)
def test_urls_of_listeners_are_accepted(text: str, url: str) -> None:
    assert read_destination(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "http://", "http:///path", "https://:5989", "://h", "http://h:"),
        *("http://h:0", "http://h:65536", "http://h:-1", "http://h:x", "http://h:5 0"),
        *("ftp://h", "file:///etc/passwd", "unix://x", "javascript://h"),
        *("http://u@h", "http://u:p@h", "u:p@h:5", "http://@h", "http://h/#f", "http://h#"),
        *("http://h\\@other/", "http://h/\r\nHost: x", "http://h/ x", "http://h/\x00"),
        *("http://bücher.example", "http://[::1", "http://[x]", "http://[::1%25eth0]/"),
        *("http://-h/", "http://h-/", "http://.h/", "http://h/" + "x" * 2048),
        *("http://h%2f/", "http://h,i/", "http://h'/", "http://h;x/"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(DestinationError):
        read_destination(text)


@given(st.text(st.characters(max_codepoint=0x17F), max_size=60))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for one in (text, f"http://{text}", f"https://h{text}", f"http://h:5{text}"):
        try:
            url = read_destination(one)
        except DestinationError:
            continue
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is parts.password is None
        assert parts.port is None or 0 < parts.port < 65536
        assert not set(url) & set(" \r\n\t\0\\@#") - set(parts.path + parts.query)
        # Said again it means the same.
        assert read_destination(url) == url


_SECRET = "s3cret"


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_what_may_be_a_password_is_in_no_refusal(text: str) -> None:
    for one in (f"http://{text}:{_SECRET}@h/{text}", f"{_SECRET}{text}@h", f"//{_SECRET}@{text}"):
        assert _SECRET not in _said(one)


def _said(text: str) -> str:
    try:
        return read_destination(text) and ""
    except DestinationError as error:
        return str(error)
