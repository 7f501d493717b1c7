"""What a CIM server gets that loads the providers, as /etc/virtcim/virtcim.toml would say."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from virtcim.cli import hosted
from virtcim.cli.hosted import open_configured
from virtcim.cmpi.host import HostedProviders
from virtcim.errormap import ErrorCode
from virtcim.mof import ensure_schema
from virtcim.providers import CimError, Indication, ObjectPath, failure_of
from virtcim.providers.indications import Remember
from virtcim.providers.state.job_store import JobStore

SYSTEM = "VirtCIM_ComputerSystem"
MACHINE = ObjectPath(SYSTEM, {"CreationClassName": SYSTEM, "Name": "0" * 8}, namespace="root/virt")
SERVICE = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace="root/virt")

DEADLINE_S = 100.0
Open = Callable[[str], HostedProviders]


@pytest.fixture(scope="module", autouse=True)
def _schema() -> None:
    ensure_schema()


@pytest.fixture
def configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Open]:
    """Opens what a configuration of this text says, over a hypervisor that is away."""
    # Whatever handlers the process has are left alone.
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    caplog.set_level(logging.INFO, logger="virtcim.cli")
    with ExitStack() as stack:

        def opened(text: str) -> HostedProviders:
            file = tmp_path / "virtcim.toml"
            file.write_text(
                f"[serve]\nhypervisor = 'xapi+unix://{tmp_path}/nobody.sock'\n"
                f"state = '{tmp_path}/state'\n{text}\n"
            )
            made = open_configured(file)
            stack.callback(made.close)
            return made

        yield opened


def refusal(read: Callable[[], object]) -> tuple[ErrorCode, str]:
    with pytest.raises(CimError) as caught:
        read()
    return failure_of(caught.value).code, caught.value.description


def test_the_system_s_configuration_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "SYSTEM_CONFIGURATION", tmp_path / "nosuch.toml")
    _, told = refusal(hosted.open_host)
    assert f"{tmp_path}/nosuch.toml" in told


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir])
def test_a_configuration_that_cannot_be_read_is_told_as_missing_credentials(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    file = tmp_path / "virtcim.toml"
    make(file)
    code, text = refusal(lambda: open_configured(file))
    assert code is ErrorCode.ERR_CREDENTIALS_NOT_SET
    assert str(file) in text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hypervisor =", "virtcim.toml"),
        ("nosuch = 1", "nosuch"),
        ("job-after = 'soon'", "job-after"),
        ("limit-operations = -1", "limit-operations"),
        ("hypervisor-user = 'elsewhere=me'", "elsewhere"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told_with_what_is_wrong(
    configured: Open, text: str, named: str
) -> None:
    code, told = refusal(lambda: configured(text))
    assert code is ErrorCode.ERR_OPERATION_FAILED
    assert named in told


def test_a_configuration_without_a_hypervisor_says_that_one_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "virtcim.toml"
    file.write_text("[toolstack]\n")
    code, told = refusal(lambda: open_configured(file))
    assert (code, "--hypervisor" in told) == (ErrorCode.ERR_OPERATION_FAILED, True)


def test_a_password_that_cannot_be_read_is_told_as_missing_credentials(
    configured: Open, tmp_path: Path
) -> None:
    code, told = refusal(lambda: configured(f"hypervisor-password-file = '{tmp_path}/nosuch'"))
    assert code is ErrorCode.ERR_CREDENTIALS_NOT_SET
    assert f"{tmp_path}/nosuch" in told


def test_what_is_the_cim_server_s_own_does_not_count_and_one_line_says_so(
    configured: Open, caplog: pytest.LogCaptureFixture
) -> None:
    configured("listen = 'http://0.0.0.0:5988'\nusers = '/nosuch/users'\njob-after = 1.0")
    [said] = [one.getMessage() for one in caplog.records if "do not count" in one.getMessage()]
    assert said.endswith("do not count: listen, users")


def test_nothing_is_said_where_all_options_count(
    configured: Open, caplog: pytest.LogCaptureFixture
) -> None:
    configured("log-level = 'info'")
    assert "do not count" not in caplog.text


def test_a_hypervisor_that_is_away_is_told_and_not_an_empty_list(configured: Open) -> None:
    providers = configured("").providers
    code, _ = refusal(lambda: list(providers.enumerate_instances("root/virt", SYSTEM)))
    assert code is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED


def test_each_hypervisor_has_the_namespace_that_serve_would_give_it(
    configured: Open, tmp_path: Path
) -> None:
    providers = configured("").providers
    providers.enumerate_instances("root/interop", "CIM_Namespace")
    _, told = refusal(lambda: providers.enumerate_instances("root/virt/other", SYSTEM))
    assert "there is no namespace root/virt/other" in told


def test_a_state_that_another_process_keeps_is_observed_until_it_is_free(
    configured: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def define() -> object:
        return providers.invoke_method(SERVICE, "DestroySystem", {"affectedsystem": MACHINE})

    with closing(JobStore(f"{tmp_path}/state")):
        providers = configured("").providers
        assert f"process {os.getpid()} (" in caplog.text
        assert list(providers.enumerate_instances("root/virt", "VirtCIM_ConcreteJob")) == []
        assert providers.state.held is not None
        refusal(define)
        assert providers.state.held is not None
    # The other has ended: whatever would change something keeps the state now.
    refusal(define)
    assert providers.state.held is None
    assert "the state is kept here now" in caplog.text


class _Sink:
    """Notes that it was asked what is wanted."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def wanted(self, _namespace: str) -> Collection[str]:
        self.asked.set()
        return ()

    def tell(self, _indications: Sequence[Indication], _remember: Remember) -> None:
        raise AssertionError("nothing was wanted")


def test_indications_that_another_process_tells_begin_here_when_the_state_is_kept_here(
    configured: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = _Sink()
    with closing(JobStore(f"{tmp_path}/state")):
        providers = configured("").providers
        providers.start_indications(sink)
        assert "another process tells what happens" in caplog.text
        providers.subscriptions_changed()
        assert not sink.asked.is_set()
    refusal(lambda: providers.invoke_method(SERVICE, "DestroySystem", {"affectedsystem": MACHINE}))
    assert sink.asked.wait(DEADLINE_S)
    providers.stop_indications()


def test_indications_that_were_ended_meanwhile_do_not_begin(
    configured: Open, tmp_path: Path
) -> None:
    sink = _Sink()
    with closing(JobStore(f"{tmp_path}/state")):
        providers = configured("").providers
        providers.start_indications(sink)
        providers.stop_indications()
    refusal(lambda: providers.invoke_method(SERVICE, "DestroySystem", {"affectedsystem": MACHINE}))
    assert providers.state.held is None
    providers.stop_indications()
    assert not sink.asked.is_set()


def test_a_state_that_cannot_be_kept_is_told(configured: Open, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no directory")
    code, told = refusal(lambda: configured(""))
    assert code is ErrorCode.ERR_OPERATION_FAILED
    assert "the state cannot be kept in" in told


def test_jobs_are_told_in_the_language_of_whoever_reads(configured: Open) -> None:
    providers = configured("").providers
    assert list(providers.in_language("de").enumerate_instances("root/interop", "CIM_Namespace"))
