"""Changing storage: what is asked of the XenAPI, what readers see after it, and what is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import EPOCH, GIB, Refusal, XenApiServer, endpoint_of
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import DiskImageSpec, StorageRepositorySpec, XenApiEndpoint

REPOSITORY = StorageRepositorySpec(name_label="more", location="/more", name_description="mine")
IMAGE = DiskImageSpec(name_label="data", sr_uuid="sr", size_bytes=GIB, format="raw")


class _Witness:
    def __init__(self) -> None:
        self.decisive: list[bool] = []
        self.fractions: list[float] = []

    def task(self, ref: str, *, decisive: bool = False) -> None:
        assert ref.startswith("OpaqueRef:")
        self.decisive.append(decisive)

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)


@pytest.fixture
def server() -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    server.put("SR", "OpaqueRef:sr", VDIs=["OpaqueRef:vdi"], PBDs=["OpaqueRef:pbd"])
    server.tables["PBD"]["OpaqueRef:pbd"]["currently_attached"] = True
    return server


@pytest.fixture
def endpoint(server: XenApiServer) -> Iterator[XenApiEndpoint]:
    with server.running() as port, endpoint_of(port) as endpoint:
        yield endpoint


def order(
    server: XenApiServer, method: str, effect: Callable[..., str] = lambda *_: "", *error: str
) -> list[tuple[Any, ...]]:
    """Let ``method`` be a task that has an effect, or fails; gives what it was asked for."""
    asked: list[tuple[Any, ...]] = []

    def end(task: str, *params: Any) -> None:
        asked.append(params)
        result = "" if error else effect(*params)
        server.end_task(task, *error, result=f"<value>{result}</value>" if result else "")

    server.task(method, end)
    return asked


def switch(server: XenApiServer, *, attached: bool) -> Callable[..., str]:
    def effect(ref: str) -> str:
        server.put("PBD", ref, currently_attached=attached)
        return ""

    return effect


def test_a_repository_is_made_at_the_host_and_seen_by_the_next_read(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def make(_host: str, config: dict[str, str], _size: str, name: str, *_rest: Any) -> str:
        server.put("SR", "OpaqueRef:new", name_label=name, type="dir", uuid="NEW")
        server.put("PBD", "OpaqueRef:p2", SR="OpaqueRef:new", host="OpaqueRef:host",
                   currently_attached=True, device_config=config)  # fmt: skip
        return "OpaqueRef:new"

    asked = order(server, "SR.create", make)
    witness = _Witness()
    assert endpoint.storage.create_repository(REPOSITORY, witness) == "new"
    expected = ("OpaqueRef:host", {"location": "/more"}, "0", "more", "mine", "dir", "user", False)
    assert asked == [(*expected, {})]
    made = endpoint.inventory().storage_repositories["new"]
    assert (made.name_label, made.location, made.attached) == ("more", "/more", True)
    assert witness.decisive == [True]


@pytest.mark.parametrize(
    ("images", "removal"), [([], "SR.destroy"), (["OpaqueRef:vdi"], "SR.forget")]
)
def test_a_repository_is_unplugged_and_removed_but_never_with_its_images(
    server: XenApiServer, endpoint: XenApiEndpoint, images: list[str], removal: str
) -> None:
    server.put("SR", "OpaqueRef:sr", VDIs=images)

    def remove(ref: str) -> str:
        server.remove("SR", ref)
        return ""

    unplugged = order(server, "PBD.unplug", switch(server, attached=False))
    removed = order(server, removal, remove)
    witness = _Witness()
    endpoint.storage.remove_repository("SR", witness)
    assert (unplugged, removed) == ([("OpaqueRef:pbd",)], [("OpaqueRef:sr",)])
    assert witness.decisive == [False, True]
    assert "sr" not in endpoint.inventory().storage_repositories


def test_a_repository_that_cannot_be_removed_is_attached_again(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    order(server, "PBD.unplug", switch(server, attached=False))
    order(server, "SR.forget", lambda *_: "", "SR_BACKEND_FAILURE_16", "", "in use", "")
    server.orders["PBD.plug"] = switch(server, attached=True)
    with pytest.raises(HypervisorError):
        endpoint.storage.remove_repository("sr")
    assert endpoint.inventory().storage_repositories["sr"].attached


def test_a_repository_that_stays_detached_is_said_to_be(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    order(server, "PBD.unplug", switch(server, attached=False))
    order(server, "SR.forget", lambda *_: "", "SR_HAS_PBD", "OpaqueRef:sr")

    def refuse(*_: Any) -> Any:
        raise Refusal("SR_BACKEND_FAILURE_47", "", "gone", "")

    server.orders["PBD.plug"] = refuse
    with pytest.raises(HypervisorError) as caught:
        endpoint.storage.remove_repository("sr")
    assert caught.value.fault.code == "ROLLBACK_FAILED"
    assert "PBD.plug" in caught.value.fault.arguments
    cause = caught.value.fault.cause
    assert cause is not None
    assert cause.code == "SR_HAS_PBD"
    assert not endpoint.inventory().storage_repositories["sr"].attached


@pytest.mark.parametrize("fully", [False, True])
def test_an_image_is_made_as_described(
    server: XenApiServer, endpoint: XenApiEndpoint, fully: bool
) -> None:
    def make(record: dict[str, Any]) -> str:
        given = {name: record[name] for name in ("name_label", "SR", "virtual_size")}
        return server.put("VDI", "OpaqueRef:data", **given, location="/store/data")

    asked = order(server, "VDI.create", make)
    spec = DiskImageSpec(
        name_label="data", sr_uuid="SR", size_bytes=GIB, format="raw", fully_allocated=fully
    )
    assert endpoint.storage.create_image(spec) == "data"
    [(record,)] = asked
    assert record["sm_config"] == {"type": "raw"} | ({"allocation": "full"} if fully else {})
    image = endpoint.inventory().disk_images["data"]
    assert (image.virtual_size_bytes, image.sr_uuid) == (GIB, "sr")


def test_an_image_is_resized_and_deleted(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    def resize(ref: str, size: str) -> str:
        return server.put("VDI", ref, virtual_size=size) and ""

    def destroy(ref: str) -> str:
        server.remove("VDI", ref)
        return ""

    order(server, "VDI.resize", resize)
    order(server, "VDI.destroy", destroy)
    endpoint.storage.resize_image("vdi", 9 * GIB)
    assert endpoint.inventory().disk_images["vdi"].virtual_size_bytes == 9 * GIB
    endpoint.storage.delete_image("VDI")
    assert "vdi" not in endpoint.inventory().disk_images
    with pytest.raises(HypervisorError):
        endpoint.storage.delete_image("vdi")


def test_what_fails_is_raised_with_its_own_code(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    order(server, "VDI.destroy", lambda *_: "", "VDI_IN_USE", "OpaqueRef:vdi", "destroy")
    with pytest.raises(HypervisorError) as caught:
        endpoint.storage.delete_image("vdi")
    assert translate(caught.value.fault).code is ErrorCode.ERR_FILE_IN_USE
    order(server, "VDI.create", lambda *_: "", "SR_FULL", "1", "2")
    with pytest.raises(HypervisorError) as caught:
        endpoint.storage.create_image(IMAGE)
    assert translate(caught.value.fault).code is ErrorCode.ERR_OUT_OF_DISK_SPACE


def test_a_task_of_an_earlier_process_is_followed_to_its_end(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    failed, done = "OpaqueRef:t1", "OpaqueRef:t2"
    begun: dict[str, Any] = {
        "name_label": "Async.VM.start", "created": EPOCH, "finished": EPOCH, "result": "",
        "error_info": [], "status": "pending", "progress": 0.5,
    }  # fmt: skip
    for ref in (failed, done):
        server.put("task", ref, **begun)
    server.end_task(failed, "VDI_IN_USE", "OpaqueRef:vdi", "start")
    server.end_task(done)
    witness = _Witness()
    endpoint.follow(done, "VM.start", witness)
    assert witness.fractions[-1] == 1.0
    with pytest.raises(HypervisorError) as caught:
        endpoint.follow(failed, "VM.start")
    assert translate(caught.value.fault).code is ErrorCode.ERR_FILE_IN_USE
    with pytest.raises(HypervisorError) as caught:
        endpoint.follow("OpaqueRef:nobody-knows", "VM.start")
    assert translate(caught.value.fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
