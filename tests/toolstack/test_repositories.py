"""Making and removing storage repositories, through the official XenAPI module."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest
import XenAPI

from tests.toolstack.host import Host, events, failure, finished, only


def arguments(api: Any, name: str, location: str, **given: Any) -> tuple[Any, ...]:
    [host] = api.host.get_all()
    values = {"type": "dir", "description": "", "size": "0"} | given
    return (
        *(host, {"location": location} if location else {}, values["size"], name),
        *(values["description"], values["type"], "user", False, {}),
    )


def test_a_directory_becomes_a_repository_and_holds_images(api: Any, host: Host) -> None:
    sr = api.SR.create(*arguments(api, "more <&>", "/more", description="mine"))
    record = api.SR.get_record(sr)
    assert (record["name_label"], record["type"]) == ("more <&>", "dir")
    assert record["name_description"] == "mine"
    [pbd] = record["PBDs"]
    assert api.PBD.get_currently_attached(pbd) is True
    assert api.PBD.get_device_config(pbd) == {"location": "/more"}
    pool = host.libvirt.storagePoolLookupByName("more <&>")
    assert (pool.UUIDString(), pool.autostart()) == (record["uuid"], 1)
    api.VDI.create({"SR": sr, "name_label": "x", "virtual_size": "1024", "type": "user"})
    assert pool.listVolumes() == ["x"]


def test_making_one_is_a_task_with_the_reference_as_its_result(
    session: XenAPI.Session, api: Any
) -> None:
    token = events(session, ["sr", "pbd"])["token"]

    def pbd_of(sr: str) -> str:
        return str(api.SR.get_PBDs(sr)[0])

    task = finished(session, api.Async.SR.create(*arguments(api, "more", "/more")))
    [sr] = api.SR.get_by_name_label("more")
    assert (task["status"], task["result"]) == ("success", f"<value>{sr}</value>")
    seen = events(session, ["sr", "pbd"], token)["events"]
    assert {(one["operation"], one["ref"]) for one in seen} == {("add", sr), ("add", pbd_of(sr))}
    # What is seen first of it is the whole.
    [plug] = [one["snapshot"] for one in seen if one["class"] == "pbd"]
    assert plug["currently_attached"] is True


@pytest.mark.parametrize(
    ("name", "location", "given", "code"),
    [
        ("more", "/more", {"type": "nfs"}, ["SR_UNKNOWN_DRIVER", "nfs"]),
        ("more", "more", {}, ["VALUE_NOT_SUPPORTED", "device_config:location", "more"]),
        ("more", "", {}, ["VALUE_NOT_SUPPORTED", "device_config:location", ""]),
        ("", "/more", {}, ["VALUE_NOT_SUPPORTED", "name_label", ""]),
    ],
)
def test_what_cannot_be_made_is_refused_by_field(
    api: Any, name: str, location: str, given: dict[str, Any], code: list[str]
) -> None:
    before = api.SR.get_all()
    assert failure(api.SR.create, *arguments(api, name, location, **given))[: len(code)] == code
    assert api.SR.get_all() == before


def test_a_taken_name_is_libvirts_to_refuse_and_changes_nothing(api: Any) -> None:
    before = api.SR.get_all_records()
    refused = failure(api.SR.create, *arguments(api, "default", "/more"))
    assert refused[0] == "LIBVIRT_ERROR"
    assert "already exists" in refused[4]
    assert api.SR.get_all_records() == before


def test_a_repository_is_removed_only_when_it_is_unplugged(
    session: XenAPI.Session, api: Any, host: Host
) -> None:
    sr = api.SR.create(*arguments(api, "more", "/more", description="noted"))
    uuid = api.SR.get_uuid(sr)
    for call in (api.SR.destroy, api.SR.forget):
        assert failure(call, sr) == ["SR_HAS_PBD", sr]
    [pbd] = api.SR.get_PBDs(sr)
    api.PBD.unplug(pbd)
    token = events(session, ["sr"])["token"]
    api.SR.destroy(sr)
    assert failure(api.SR.get_record, sr) == ["HANDLE_INVALID", "SR", sr]
    assert failure(api.PBD.get_record, pbd) == ["HANDLE_INVALID", "PBD", pbd]
    assert [pool.name() for pool in host.libvirt.listAllStoragePools()] == ["default"]
    seen = events(session, ["sr"], token)["events"]
    assert [(one["operation"], one["ref"]) for one in seen] == [("del", sr)]
    assert ("SR", uuid) not in host.toolstack._state.all_notes()


def test_forgetting_leaves_what_is_in_the_directory(api: Any, host: Host) -> None:
    sr = only_sr(api)
    api.PBD.unplug(api.SR.get_PBDs(sr)[0])
    api.SR.forget(sr)
    with pytest.raises(libvirt.libvirtError):
        host.libvirt.storagePoolLookupByName("default")
    assert sr not in api.SR.get_all()


def only_sr(api: Any) -> str:
    [ref] = api.SR.get_by_name_label("default")
    return str(ref)


def test_the_repository_of_paths_is_not_removed(api: Any) -> None:
    [paths] = [ref for ref, sr in api.SR.get_all_records().items() if sr["type"] == "path"]
    for call in (api.SR.destroy, api.SR.forget):
        assert failure(call, paths) == ["SR_OPERATION_NOT_SUPPORTED", paths]


def test_supported_types_are_those_that_can_be_made(api: Any, session: XenAPI.Session) -> None:
    assert api.SR.get_supported_types() == ["dir"]
    assert only(session, "SR", "default") in api.SR.get_all()
