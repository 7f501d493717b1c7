"""Endpoint URLs."""

from __future__ import annotations

import pytest

from virtcim.wire import parse_endpoint_url


@pytest.mark.parametrize(
    ("text", "http_url", "shown"),
    [
        ("xapi+unix:///run/v/s", "http://localhost/", "xapi+unix:///run/v/s"),
        ("xend+unix:///run/x", "http://localhost/RPC2", "xend+unix:///run/x"),
        ("xapi+http://h", "http://h:80/", "xapi+http://h:80"),
        ("xapi+https://h", "https://h:443/", "xapi+https://h:443"),
        ("xapi+https://h:8443/api", "https://h:8443/api", "xapi+https://h:8443/api"),
        ("xapi+http://[::1]:80/", "http://[::1]:80/", "xapi+http://[::1]:80"),
        ("xend+http://h", "http://h:8006/RPC2", "xend+http://h:8006"),
    ],
)
def test_an_endpoint_url_is_understood(text: str, http_url: str, shown: str) -> None:
    url = parse_endpoint_url(text)
    assert (url.http_url, str(url)) == (http_url, shown)
    assert parse_endpoint_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no endpoint URL"),
        ("http://h", "no endpoint URL"),
        ("xend+https://h", "no endpoint URL"),
        ("xapi+unix://run/s", "written xapi\\+unix:///PATH"),
        ("xapi+unix:///", "written xapi\\+unix:///PATH"),
        ("xapi+http://", "names no host"),
        ("xapi+http://h:port", "Port|port"),
        ("xapi+http://h:99999", "Port|port"),
        ("xapi+http://h/?q=1", "no query"),
        ("xapi+http://[::1", "IPv6|no endpoint"),
    ],
)
def test_what_is_no_endpoint_url_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_endpoint_url(text)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="credentials") as raised:
        parse_endpoint_url("xapi+https://root:swordfish@h")
    assert "swordfish" not in str(raised.value)
