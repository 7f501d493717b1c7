"""A whole machine in one call (``virtcim.VM.define``): never half of it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, events, failure, finished, only, running_host, vm_record
from tests.toolstack.watching import watched
from virtcim.toolstack.images.provisional import ProvisionalVolume

GIB = 1 << 30
UUID = "3f0d4c55-4d0f-4f36-8a50-30a8d6a2f3b7"


@pytest.fixture
def pool(session: XenAPI.Session) -> str:
    return only(session, "SR", "default")


def new_image(pool: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"SR": pool, "virtual_size": str(GIB), "name_label": name, "type": "Disk"} | fields


def at_path(path: str, **fields: Any) -> dict[str, Any]:
    return {"location": path, "sm_config": {"type": "raw"}, "type": "Disk"} | fields


def port(session: XenAPI.Session, **fields: Any) -> dict[str, Any]:
    return {"network": only(session, "network", "default")} | fields


def define(session: XenAPI.Session, name: str, **fields: Any) -> dict[str, Any]:
    answer = session.xenapi.virtcim.VM.define(vm_record(name, **fields))
    made: dict[str, Any] = json.loads(answer)
    return made


def everything(host: Host, api: Any) -> dict[str, Any]:
    """What there is of machines and images, for libvirt and for clients, and what is noted."""
    connection = host.libvirt
    classes = ("VM", "VBD", "VIF", "VDI")
    return {
        "domains": sorted(domain.name() for domain in connection.listAllDomains()),
        "volumes": sorted(connection.storagePoolLookupByName("default").listVolumes()),
        **{name: set(getattr(api, name).get_all()) for name in classes},
        "provisional": noted(host),
    }


def noted(host: Host) -> list[Any]:
    database = host.toolstack._state.database
    return [
        *database.query("select * from provisional_volume"),
        *database.query("select * from provisional_machine"),
    ]


def test_a_machine_is_defined_with_all_that_belongs_to_it(
    session: XenAPI.Session, api: Any, host: Host, pool: str
) -> None:
    made = define(
        session,
        "whole",
        uuid=UUID,
        other_config={"auto_poweron": "true"},
        VBDs=[
            new_image(pool, "whole-vda", bootable=True, sm_config={"type": "raw"}),
            at_path("/elsewhere/b.img", userdevice="vdc", mode="RO", other_config={"bus": "scsi"}),
            {"type": "CD", "empty": True},
        ],
        VIFs=[port(session, MAC="52:54:00:aa:bb:cc", other_config={"model": "e1000"})],
    )
    assert api.VM.get_uuid(made["VM"]) == UUID
    assert sorted(api.VM.get_VBDs(made["VM"])) == sorted(made["VBDs"])
    assert api.VM.get_VIFs(made["VM"]) == made["VIFs"]
    first, second, drive = map(api.VBD.get_record, made["VBDs"])
    image = api.VDI.get_record(first["VDI"])
    assert (image["name_label"], image["SR"], image["sm_config"]) == (
        "whole-vda",
        pool,
        {"type": "raw"},
    )
    assert (api.VDI.get_location(second["VDI"]), second["mode"]) == ("/elsewhere/b.img", "RO")
    assert second["runtime_properties"]["bus"] == "scsi"
    assert (drive["type"], drive["empty"]) == ("CD", True)
    vif = api.VIF.get_record(made["VIFs"][0])
    assert (vif["MAC"], vif["runtime_properties"]["model"]) == ("52:54:00:aa:bb:cc", "e1000")
    assert host.libvirt.lookupByUUIDString(UUID).autostart() == 1
    assert noted(host) == []


def test_an_asynchronous_definition_gives_the_same_answer(session: XenAPI.Session) -> None:
    task = session.xenapi.Async.virtcim.VM.define(vm_record("later"))
    record = finished(session, task)
    assert record["status"] == "success"
    assert "OpaqueRef:" in record["result"]


def test_named_places_are_served_before_those_that_are_not(
    session: XenAPI.Session, api: Any, host: Host
) -> None:
    made = define(
        session,
        "slots",
        VBDs=[
            at_path("/a"),
            at_path("/b", userdevice="vda"),
            at_path("/c", userdevice="autodetect"),
        ],
        VIFs=[port(session), port(session, device="0")],
    )
    locations = [api.VDI.get_location(api.VBD.get_VDI(ref)) for ref in made["VBDs"]]
    assert locations == ["/a", "/b", "/c"]
    xml = host.libvirt.lookupByName("slots").XMLDesc()
    targets = [xml.index(f"<target dev='{target}'") for target in ("vdb", "vda", "vdc")]
    assert targets
    assert [api.VIF.get_device(ref) for ref in made["VIFs"]] == ["1", "0"]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_number_is_served_before_targets_whose_number_can_be_another(
    session: XenAPI.Session, api: Any, turn: int
) -> None:
    disks = [
        {"type": "CD", "empty": True, "userdevice": "0"},
        at_path("/b", userdevice="vda"),
    ]
    made = define(session, f"turn{turn}", VBDs=disks[::turn])
    places = {(api.VBD.get_device(ref), api.VBD.get_userdevice(ref)) for ref in made["VBDs"]}
    assert places == {("sda", "0"), ("vda", "1")}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"VBDs": ["two on one place"]}, "DEVICE_ALREADY_EXISTS"),
        ({"VBDs": ["a target and its number"]}, "DEVICE_ALREADY_EXISTS"),
        ({"VBDs": ["a number and its target"]}, "DEVICE_ALREADY_EXISTS"),
        ({"VBDs": ["no such place"]}, "INVALID_DEVICE"),
        ({"VBDs": ["no image"]}, "HANDLE_INVALID"),
        ({"VBDs": ["no repository"]}, "HANDLE_INVALID"),
        ({"VBDs": ["too large"]}, "LIBVIRT_ERROR"),
        ({"VBDs": "none"}, "FIELD_TYPE_ERROR"),
        ({"VIFs": [{"network": "OpaqueRef:NULL"}]}, "HANDLE_INVALID"),
        ({"VIFs": ["bad address"]}, "MAC_INVALID"),
        ({"VIFs": ["one address twice"]}, "DEVICE_ALREADY_EXISTS"),
        ({"name_label": "runs"}, "LIBVIRT_ERROR"),
        ({"name_label": ".."}, "VIRTCIM_NAME_REFUSED"),
        ({"VCPUs_at_startup": "9"}, "LIBVIRT_ERROR"),
    ],
)
def test_a_definition_that_fails_leaves_nothing(
    session: XenAPI.Session, api: Any, host: Host, pool: str, fields: dict[str, Any], code: str
) -> None:
    wrong: dict[str, list[dict[str, Any]]] = {
        "two on one place": [at_path("/a", userdevice="vdx"), at_path("/b", userdevice="vdx")],
        "a target and its number": [
            at_path(f"/{place}", userdevice=place) for place in ("vdx", "23")
        ],
        "a number and its target": [
            at_path(f"/{place}", userdevice=place) for place in ("23", "vdx")
        ],
        "no such place": [at_path("/a", userdevice="nowhere")],
        "no image": [{"type": "Disk"}],
        "no repository": [new_image("OpaqueRef:none", "x")],
        "too large": [
            new_image(pool, "x", virtual_size=str(GIB * 1000), sm_config={"allocation": "full"})
        ],
        "bad address": [port(session, MAC="nonsense")],
        "one address twice": [port(session, MAC="52:54:00:aa:bb:cc")] * 2,
    }
    given = {
        name: [one for each in value for one in (wrong[each] if isinstance(each, str) else [each])]
        if isinstance(value, list)
        else value
        for name, value in fields.items()
    }
    if isinstance(given.get("VBDs", []), list):
        given["VBDs"] = [
            new_image(pool, "first"),
            new_image(pool, "second"),
            *given.get("VBDs", []),
        ]
    before = everything(host, api)
    refused = failure(api.virtcim.VM.define, vm_record("refused") | given)
    assert refused[0] == code, refused
    assert everything(host, api) == before


def test_an_image_of_a_name_that_is_taken_is_not_touched(
    session: XenAPI.Session, api: Any, host: Host, pool: str
) -> None:
    vdi = api.VDI.create(new_image(pool, "mine") | {"type": "user"})
    before = everything(host, api)
    refused = failure(api.virtcim.VM.define, vm_record("x", VBDs=[new_image(pool, "mine")]))
    assert refused[0] == "DB_UNIQUENESS_CONSTRAINT_VIOLATION"
    assert everything(host, api) == before
    assert api.VDI.get_name_label(vdi) == "mine"


@pytest.mark.parametrize("same", ["name", "uuid"])
def test_of_two_definitions_at_once_one_wins_and_nothing_remains_of_the_other(
    login: Callable[[], XenAPI.Session], api: Any, host: Host, pool: str, same: str
) -> None:
    clients = 6
    together = threading.Barrier(clients)

    def one(number: int) -> str:
        client = login()
        fields: dict[str, Any] = {"VBDs": [new_image(pool, f"{same}-{number}")]}
        if same == "uuid":
            fields["uuid"] = UUID
        name = "same" if same == "name" else f"other-{number}"
        together.wait()
        try:
            define(client, name, **fields)
        except XenAPI.Failure as refused:
            return str(refused.details[0])
        return "won"

    before = everything(host, api)
    with ThreadPoolExecutor(clients) as threads:
        ended = sorted(threads.map(one, range(clients)))
    lost = "LIBVIRT_ERROR" if same == "name" else "DB_UNIQUENESS_CONSTRAINT_VIOLATION"
    assert ended == sorted(["won", *[lost] * (clients - 1)])
    after = everything(host, api)
    assert len(after["domains"]) == len(before["domains"]) + 1
    assert len(after["volumes"]) == 1
    assert (len(after["VDI"]), after["provisional"]) == (len(before["VDI"]) + 1, [])


def test_nobody_ever_sees_half_of_it(
    login: Callable[[], XenAPI.Session], session: XenAPI.Session, pool: str
) -> None:
    machines = 8
    watching = login()
    token = events(watching, ["*"])["token"]
    vdis = set(watching.xenapi.VDI.get_all())

    def make() -> None:
        for number in range(machines):
            disks = [new_image(pool, f"seen-{number}-{disk}") for disk in range(3)]
            define(session, f"seen-{number}", VBDs=disks, VIFs=[port(session)])

    seen: set[str] = set()
    with ThreadPoolExecutor(1) as thread:
        making = thread.submit(make)
        while len(seen) < machines:
            batch = events(watching, ["vm", "vbd", "vif", "vdi"], token, 5.0)
            token = batch["token"]
            known: dict[str, dict[str, Any]] = {"vm": {}, "vbd": {}, "vif": {}, "vdi": {}}
            for event in batch["events"]:
                known[event["class"]][event["ref"]] = event["snapshot"]
            made = {ref: vm for ref, vm in known["vm"].items() if vm["name_label"][:5] == "seen-"}
            for vm in made.values():
                assert (len(vm["VBDs"]), len(vm["VIFs"])) == (3, 1)
                assert set(vm["VBDs"]) <= known["vbd"].keys()
                assert {known["vbd"][ref]["VDI"] for ref in vm["VBDs"]} <= known["vdi"].keys()
            # No image is seen before the machine that it belongs to.
            used = {known["vbd"][ref]["VDI"] for vm in made.values() for ref in vm["VBDs"]}
            assert known["vdi"].keys() - vdis <= used | vdis
            vdis |= known["vdi"].keys()
            seen |= made.keys()
        making.result()


def test_a_volume_that_is_being_made_for_a_machine_is_not_shown(
    host: Host, session: XenAPI.Session, api: Any, pool: str
) -> None:
    provisional = host.toolstack._services.provisional
    volume = ProvisionalVolume(api.SR.get_uuid(pool), "half", UUID)
    provisional.begin(volume)
    storage = host.libvirt.storagePoolLookupByName("default")
    storage.createXML("<volume><name>half</name><capacity>1024</capacity></volume>")
    api.SR.scan(pool)
    assert api.VDI.get_by_name_label("half") == []
    provisional.end([volume])
    api.SR.scan(pool)
    assert len(api.VDI.get_by_name_label("half")) == 1


def test_what_another_process_left_is_said_and_cleaned_up_once_libvirt_is_reached(
    host_uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state = tmp_path / "state"
    with running_host(host_uri, state_directory=state) as host:
        pool = host.libvirt.storagePoolLookupByName("default").UUIDString()
        query = host.toolstack._state.database.query
        for name in ("never made", "left"):
            query("insert into provisional_volume values (?, ?, ?, 0)", pool, name, UUID)
        query("insert into provisional_machine values (?, 1)", UUID)
    with running_host(host_uri, state_directory=state) as host:
        assert noted(host) == []
    assert "volume left of pool" in caplog.text


def test_a_new_image_is_never_seen_as_anything_else_than_the_volume_that_it_is(
    login: Callable[[], XenAPI.Session], session: XenAPI.Session, pool: str
) -> None:
    machine = define(session, "grows")["VM"]
    added = [new_image(pool, f"grown-{number}") for number in range(8)]

    def grow() -> None:
        for image in added:
            session.xenapi.virtcim.VM.modify(machine, {"added_VBDs": [image]})

    most = 0
    for state in watched(login(), grow):
        vbds = state["vm"][machine]["VBDs"]
        vdis = [state["vdi"][state["vbd"][vbd]["VDI"]] for vbd in vbds]
        assert [vdi["SR"] for vdi in vdis] == [pool] * len(vbds)
        most = max(most, len(vbds))
    assert most == len(added)


def test_the_image_of_a_change_that_fails_is_seen_no_more(
    session: XenAPI.Session, api: Any, host: Host, pool: str
) -> None:
    machine = define(session, "stays", VBDs=[at_path("/a", userdevice="vda")])["VM"]
    before = everything(host, api)
    images = [new_image(pool, "one"), new_image(pool, "two", userdevice="vda")]
    refused = failure(api.virtcim.VM.modify, machine, {"added_VBDs": images})
    assert refused == ["DEVICE_ALREADY_EXISTS", "vda"]
    assert everything(host, api) == before
    assert len(api.SR.get_VDIs(pool)) == 0
