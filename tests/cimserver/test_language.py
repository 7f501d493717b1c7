"""Errors of CIM requests in the language that the client asks for."""

from __future__ import annotations

import httpx
import pytest

from tests.cimserver.interposed import Interposed
from tests.cimserver.serving import Served, intrinsic
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.errormap import HypervisorError, from_libvirt

_NAMES = intrinsic("EnumerateInstanceNames", ClassName='<CLASSNAME NAME="VirtCIM_ComputerSystem"/>')


@pytest.fixture
def failing(server: Served, endpoint: SimulatedEndpoint) -> Served:
    fault = from_libvirt(
        code=38, message="Cannot access storage file '/d/a.img': No such file or directory", int1=2
    )
    endpoint.reads_fail_with = HypervisorError(fault)
    return server


def _ask(server: Served, accepted: str) -> httpx.Response:
    response = server.post(_NAMES, Accept_Language=accepted)
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("accepted", ["de", "de-AT, en;q=0.5", "fr, de;q=0.2"])
def test_an_error_is_told_in_german_to_who_asks_for_it(failing: Served, accepted: str) -> None:
    response = _ask(failing, accepted)
    assert response.headers["Content-Language"] == "de"
    assert (
        'DESCRIPTION="ERR_CANNOT_ACCESS_DISK_FILE: Die Datei /d/a.img kann nicht gefunden oder '
        "geöffnet werden. [libvirt 38" in response.text
    )
    assert "Prüfen, ob /d/a.img dort existiert" in response.text
    assert "Gemeldet von libvirt." in response.text
    assert "Check that" not in response.text


@pytest.mark.parametrize("accepted", ["", "en", "fr", "de;q=0", "nonsense;;;"])
def test_an_error_is_english_otherwise(failing: Served, accepted: str) -> None:
    response = _ask(failing, accepted)
    assert response.headers["Content-Language"] == "en"
    assert (
        'DESCRIPTION="ERR_CANNOT_ACCESS_DISK_FILE: The file /d/a.img cannot be found or opened.'
        in response.text
    )


def test_providers_are_asked_in_the_language_of_the_reader(
    server: Served, providers: Interposed
) -> None:
    for accepted in ("de", "fr", ""):
        _ask(server, accepted)
    assert providers.languages == ["de", "en", "en"]


def test_code_status_and_the_sources_own_words_are_the_same_in_both(failing: Served) -> None:
    english, german = _ask(failing, "en").text, _ask(failing, "de").text
    for part in (
        '<ERROR CODE="1"',
        "<VALUE>ERR_CANNOT_ACCESS_DISK_FILE</VALUE>",
        "<VALUE>libvirt</VALUE>",
        "No such file or directory",
    ):
        assert part in english
        assert part in german


def test_what_the_server_refuses_itself_is_told_in_german_too(server: Served) -> None:
    body = intrinsic("EnumerateInstanceNames")
    response = server.post(body, Accept_Language="de")
    assert response.headers["Content-Language"] == "de"
    assert "ERR_INVALID_PARM_NUM: Der Verwaltungsaufruf hatte eine falsche Anzahl" in response.text
    assert "[virtcim: EnumerateInstanceNames needs ClassName]" in response.text


def test_a_failure_of_the_server_itself_is_told_in_german_too(
    server: Served, endpoint: SimulatedEndpoint
) -> None:
    endpoint.reads_fail_with = RuntimeError("a bug")
    response = _ask(server, "de")
    assert response.headers["Content-Language"] == "de"
    assert "ERR_UNKNOWN: Die Antwort" in response.text
    assert "incident" in response.text
    assert "a bug" not in response.text


def test_an_answer_without_messages_names_no_language(server: Served) -> None:
    assert "Content-Language" not in _ask(server, "de").headers


def test_an_error_without_a_translation_says_that_it_is_english(server: Served) -> None:
    body = intrinsic("GetClass", ClassName='<CLASSNAME NAME="No_Such"/>')
    response = server.post(body, Accept_Language="de")
    assert response.headers["Content-Language"] == "en"
    assert "there is no class" in response.text
