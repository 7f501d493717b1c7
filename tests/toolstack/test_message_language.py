"""A libvirtd that speaks another language is noticed: causes of errors are told from English."""

from __future__ import annotations

import gettext
import logging
from collections.abc import Callable
from typing import Any

import libvirt
import pytest
from private_libvirt import PrivateLibvirt

from tests.toolstack.host import Host, running_host
from virtcim.toolstack.native.message_language import MessageLanguage

_LOGGER = "virtcim.toolstack.native.message_language"
# As libvirt 9.0 says it, with its German translation.
GERMAN = (
    "Domain nicht gefunden: Keine Domain mit \u00fcbereinstimmender UUID "
    "'00000000-0000-0000-0000-000000000000'"
)
ENGLISH = "Domain not found: no domain with matching uuid '00000000-0000-0000-0000-000000000000'"


class Failing:
    """A connection on which each lookup fails with a given code and message."""

    uri = "qemu:///system"

    def __init__(self) -> None:
        self.error: tuple[int, str] = (libvirt.VIR_ERR_NO_DOMAIN, ENGLISH)
        self.handle = self

    def lookupByUUID(self, uuid: bytes) -> None:
        assert uuid == bytes(16)
        error = libvirt.libvirtError("virDomainLookupByUUID() failed")
        error.err = (self.error[0], 10, self.error[1], 2, None, None, None, -1, -1)
        raise error

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        return function(*arguments)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, _LOGGER)
    return lambda: [each.getMessage() for each in caplog.records if each.name == _LOGGER]


def test_a_translated_message_is_warned_of_once(warnings: Callable[[], list[str]]) -> None:
    connection, language = Failing(), MessageLanguage()
    language.look(connection)  # type: ignore[arg-type]  # a connection that only fails
    assert warnings() == []
    connection.error = (libvirt.VIR_ERR_NO_DOMAIN, GERMAN)
    language.look(connection)  # type: ignore[arg-type]
    language.look(connection)  # type: ignore[arg-type]
    [warning] = warnings()
    assert "LC_ALL=C" in warning
    assert "Domain nicht gefunden" in warning
    # Set right and then wrong again, it is news.
    connection.error = (libvirt.VIR_ERR_NO_DOMAIN, ENGLISH)
    language.look(connection)  # type: ignore[arg-type]
    connection.error = (libvirt.VIR_ERR_NO_DOMAIN, GERMAN)
    language.look(connection)  # type: ignore[arg-type]
    assert len(warnings()) == 2


@pytest.mark.parametrize(
    "error",
    [
        (libvirt.VIR_ERR_NO_DOMAIN, "Domain not found"),
        (libvirt.VIR_ERR_NO_DOMAIN, ""),
        (libvirt.VIR_ERR_NO_SUPPORT, "wird nicht unterst\u00fctzt"),
        (libvirt.VIR_ERR_ACCESS_DENIED, "access denied"),
    ],
)
def test_what_says_nothing_about_the_language_is_no_reason_to_warn(
    warnings: Callable[[], list[str]], error: tuple[int, str]
) -> None:
    connection = Failing()
    connection.error = error
    MessageLanguage().look(connection)  # type: ignore[arg-type]
    assert warnings() == []


def test_an_english_libvirt_is_not_warned_of(warnings: Callable[[], list[str]], host: Host) -> None:
    assert host.toolstack is not None
    assert warnings() == []


def test_a_real_libvirtd_that_speaks_german_is_warned_of(
    warnings: Callable[[], list[str]],
) -> None:
    translations = gettext.find("libvirt", "/usr/share/locale", ["de"])
    assert translations, "scripts/setup --for-tests installs libvirt's translations (libvirt-l10n)"
    with PrivateLibvirt(language="de") as libvirtd, running_host(libvirtd.uri):
        pass
    [warning] = warnings()
    assert GERMAN in warning
