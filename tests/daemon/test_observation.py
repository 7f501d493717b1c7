"""What others see of a daemon: the pages, who may read them, and metrics as they are scraped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.wire.serving import DEADLINE_S
from virtcim.daemon.listener import ListenError, parse_metrics_listen
from virtcim.daemon.observation.exposition import collected, exposition
from virtcim.daemon.observation.measures import BOUNDS_S, Family, Tally, Timings
from virtcim.daemon.observation.readiness import Connection, State, readiness

# Connects when it is told to, and when it is to end does so when it is told to.
_PROGRAM = """
import asyncio, logging, sys
from virtcim.daemon.http_login import HttpLogin
from virtcim.daemon.log_lines import LogFormat, log_handler
from virtcim.daemon.logins import Logins
from virtcim.daemon.observation.access import PageAccess
from virtcim.daemon.observation.pages import Observation
from virtcim.daemon.observation.readiness import Connection, State
from virtcim.daemon.roles import Grant, Rights, Role
from virtcim.daemon.run import parse_listen, run_daemon

connections = {"root/virt": Connection(State.LOADING, "ERR_X", 4200, 10000)}
rights = {
    "ann": Rights(grants=(Grant(role=Role.READ, scopes="root/*"),)),
    "bob": Rights(grants=(Grant(role=Role.ADMINISTER, scopes="root/virt"),)),
}
observation = Observation(lambda: connections)
go = asyncio.Event()

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/connect":
        connections["root/virt"] = Connection(State.CONNECTED)
    if scope["path"] == "/go":
        go.set()
    text = b"application"
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})

def make():
    logins = Logins(lambda user, password: password == f"{user} knows")
    login = HttpLogin(logins, rights=rights.__getitem__)
    observation.access = PageAccess(login=login, scopes=("root/virt", "root/interop"))
    return app

logging.basicConfig(level=logging.INFO, handlers=[log_handler(LogFormat.TEXT)])
sys.exit(
    run_daemon(
        make,
        [parse_listen("http://127.0.0.1:0")],
        drain=go.wait,
        observation=observation,
        metrics_listen=parse_listen("http://127.0.0.1:0"),
    )
)
"""


@dataclass(frozen=True, slots=True)
class _Daemon:
    """A daemon, and a client of it and of its metrics."""

    process: subprocess.Popen[str]
    client: httpx.Client
    alone: httpx.Client


@pytest.fixture
def daemon() -> Iterator[_Daemon]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(3 * DEADLINE_S, process.kill)
    killer.start()
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        found = None
        while found is None:
            found = re.search("metrics are served at (.*)/metrics", process.stderr.readline())
        with (
            httpx.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as client,
            httpx.Client(base_url=found[1], timeout=DEADLINE_S, trust_env=False) as alone,
        ):
            yield _Daemon(process, client, alone)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
        killer.cancel()


def _values(text: str) -> dict[str, float]:
    """The samples by their names with their labels."""
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_readiness_follows_what_is_served(daemon: _Daemon) -> None:
    for client in (daemon.client, daemon.alone):
        loading = client.get("/readyz")
        assert (loading.status_code, loading.headers["Cache-Control"]) == (503, "no-store")
        assert loading.json() == {
            "ready": False,
            "reason": "root/virt: loading, 4,200 of 10,000",
            "connections": {
                "root/virt": {"state": "loading", "read": 4200, "of": 10000, "error": "ERR_X"}
            },
        }
        assert client.get("/healthz").text == "ok\n"
    daemon.client.post("/connect")
    connected = daemon.client.get("/readyz")
    told = {"ready": True, "connections": {"root/virt": {"state": "connected"}}}
    assert (connected.status_code, connected.json()) == (200, told)
    head = daemon.client.head("/readyz")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(connected.content))


def test_a_daemon_that_drains_is_alive_and_not_ready(daemon: _Daemon) -> None:
    daemon.client.post("/connect")
    assert daemon.client.get("/readyz").status_code == 200
    daemon.process.terminate()
    while (draining := daemon.client.get("/readyz")).status_code == 200:
        pass
    assert (draining.status_code, draining.json()["reason"]) == (503, "draining")
    assert daemon.alone.get("/readyz").status_code == 503
    assert daemon.client.get("/healthz").status_code == 200
    daemon.client.post("/go")
    assert daemon.process.wait(DEADLINE_S) == 0


def test_metrics_are_for_those_who_may_read_everything(daemon: _Daemon) -> None:
    nobody = daemon.client.get("/metrics")
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (
        401,
        'Basic realm="virtcim"',
    )
    assert daemon.client.get("/metrics", auth=("ann", "guess")).status_code == 401
    assert daemon.client.get("/metrics", auth=("bob", "bob knows")).status_code == 403
    assert daemon.client.get("/metrics", auth=("ann", "ann knows")).status_code == 200


def test_what_is_posted_to_the_pages_is_for_the_application(daemon: _Daemon) -> None:
    """Clients of CIM post to whatever path they like."""
    for path in ("/metrics", "/healthz", "/readyz"):
        assert daemon.client.post(path).text == "application"
    assert daemon.client.get("/metrics/").text == "application"


def test_a_listener_of_their_own_has_nothing_but_the_pages(daemon: _Daemon) -> None:
    assert daemon.alone.get("/metrics").status_code == 200
    assert daemon.alone.get("/").status_code == 404
    assert daemon.alone.post("/go").status_code == 404
    refused = daemon.alone.post("/metrics")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert daemon.alone.get("/metrics", headers={"Host": "evil.example"}).status_code == 421
    assert daemon.alone.get("/metrics", headers={"Origin": "http://a.example"}).status_code == 403


def test_metrics_tell_of_answers_limits_and_the_process(daemon: _Daemon) -> None:
    daemon.client.post("/")
    daemon.client.get("/readyz")
    response = daemon.alone.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = _values(response.text)
    assert values['virtcim_http_answers_total{"status": "200"}'] == 1.0
    assert values['virtcim_http_answers_total{"status": "503"}'] == 1.0
    assert values['virtcim_limits_reached_total{"limit": "head-timeout"}'] == 0.0
    assert values["virtcim_connections{}"] == 1.0
    assert values["process_resident_memory_bytes{}"] > 2**20
    # What was counted only grows.
    daemon.client.post("/")
    again = _values(daemon.alone.get("/metrics").text)
    assert again['virtcim_http_answers_total{"status": "200"}'] == 2.0


def test_openmetrics_is_spoken_where_it_is_asked_for(daemon: _Daemon) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    response = daemon.alone.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    families = openmetrics.text_string_to_metric_families(response.text)
    assert "virtcim_http_answers" in {family.name for family in families}


def test_a_source_that_fails_costs_nobody_else_anything() -> None:
    def broken() -> list[Family]:
        raise OSError("the database is away")

    good = Family.single("virtcim_good", "gauge", "Good.", 1.0)
    for sources in ([broken, lambda: [good]], [lambda: [good], broken]):
        text, _ = exposition(collected(sources), "")
        assert _values(text.decode())["virtcim_good{}"] == 1.0


def test_a_histogram_counts_up_to_its_bounds() -> None:
    timings = Timings()
    for duration_s, failed in ((0.0005, False), (0.001, False), (0.3, True), (100.0, False)):
        timings.add("x", duration_s, failed=failed)
    family = Family(
        name="a_seconds", kind="histogram", what="A.", labels=("b",), values=timings.durations()
    )
    values = _values(exposition([family], "")[0].decode())
    counts = [values[f'a_seconds_bucket{{"b": "x", "le": "{bound}"}}'] for bound in BOUNDS_S]
    assert counts == [2.0] * 7 + [2.0] + [3.0] * 6
    assert values['a_seconds_bucket{"b": "x", "le": "+Inf"}'] == 4.0
    assert values['a_seconds_count{"b": "x"}'] == 4.0
    assert values['a_seconds_sum{"b": "x"}'] == pytest.approx(100.3015)
    assert timings.outcomes() == {("x", "success"): 3, ("x", "failure"): 1}


def test_counts_of_many_threads_add_up() -> None:
    tally, timings = Tally(), Timings()

    def count() -> None:
        for _ in range(2000):
            tally.add(("a",))
            timings.add("a", 0.1, failed=False)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.read() == {("a",): 16_000}
    assert timings.outcomes() == {("a", "success"): 16_000, ("a", "failure"): 0}


def test_readiness_gives_all_reasons() -> None:
    told = readiness(
        {
            "root/virt/a": Connection(State.DISCONNECTED, "ERR_HOST_NOT_FOUND"),
            "root/virt/b": Connection(State.CONNECTED),
            "root/virt/c": Connection(State.LOADING, "ERR_X"),
        },
        draining=True,
    )
    assert told["reason"] == "draining; root/virt/a: disconnected; root/virt/c: loading"
    assert told["connections"] == {
        "root/virt/a": {"state": "disconnected", "error": "ERR_HOST_NOT_FOUND"},
        "root/virt/b": {"state": "connected"},
        "root/virt/c": {"state": "loading", "error": "ERR_X"},
    }


@pytest.mark.parametrize("text", ["http://0.0.0.0:9000", "http://192.0.2.1:9000", "http://[::]:1"])
def test_metrics_without_a_login_are_for_this_machine_alone(text: str) -> None:
    with pytest.raises(ListenError, match="without a login"):
        parse_metrics_listen(text)
    assert parse_metrics_listen("") is None
    assert str(parse_metrics_listen("http://127.0.0.1:9000")) == "http://127.0.0.1:9000"


def test_the_library_is_loaded_only_when_metrics_are_read() -> None:
    program = (
        "import sys, virtcim.cli.serve, virtcim.cli.toolstack_daemon, virtcim.toolstack.observing\n"
        "import virtcim.daemon.run\n"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
