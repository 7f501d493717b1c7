"""What every endpoint promises of storage repositories and disk images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.hypervisor.contract.conftest import Define
from tests.hypervisor.contract.subjects import Subject
from tests.hypervisor.contract.systems import MIB, NOBODY, Witness, code_of, system_of
from virtcim.errormap import ErrorCode, HypervisorError
from virtcim.hypervisor import DiskImageSpec, DiskSpec, Endpoint, StorageRepositorySpec
from virtcim.hypervisor.storage import DIRECTORY


@pytest.fixture
def repository(endpoint: Endpoint, subject: Subject) -> Iterator[str]:
    """A storage repository of the test alone, without images."""
    spec = StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=subject.new_directory())
    uuid = endpoint.storage.create_repository(spec)
    yield uuid
    with suppress(HypervisorError):
        for image in _images_in(endpoint, uuid):
            endpoint.storage.delete_image(image)
        endpoint.storage.remove_repository(uuid)


def _images_in(endpoint: Endpoint, repository: str) -> list[str]:
    images = endpoint.inventory().disk_images.values()
    return [image.uuid for image in images if image.sr_uuid == repository]


def _image(repository: str, **fields: object) -> DiskImageSpec:
    least = DiskImageSpec(
        name_label=f"image-{uuid4()}", sr_uuid=repository, size_bytes=MIB, format="raw"
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def test_a_repository_is_as_it_was_specified_at_the_next_read(
    endpoint: Endpoint, subject: Subject
) -> None:
    spec = StorageRepositorySpec(
        name_label=f"pool-{uuid4()}",
        name_description='Déjà <vu> & "more"',
        location=subject.new_directory(),
    )
    uuid = endpoint.storage.create_repository(spec)
    made = endpoint.inventory().storage_repositories[uuid]
    assert (made.uuid, made.type, made.location) == (uuid, DIRECTORY, spec.location)
    assert (made.name_label, made.name_description) == (spec.name_label, spec.name_description)
    assert (made.attached, made.makes_images, made.takes_paths) == (True, True, False)
    assert _images_in(endpoint, uuid) == []
    endpoint.storage.remove_repository(uuid)
    assert uuid not in endpoint.inventory().storage_repositories


def test_a_repository_whose_name_or_directory_is_taken_is_refused(
    endpoint: Endpoint, subject: Subject, repository: str
) -> None:
    before = endpoint.inventory().storage_repositories
    taken = before[repository]
    for spec in (
        StorageRepositorySpec(name_label=taken.name_label, location=subject.new_directory()),
        StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=taken.location),
        StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=f"{taken.location}/"),
    ):
        with pytest.raises(HypervisorError) as raised:
            endpoint.storage.create_repository(spec)
        assert code_of(raised.value) is ErrorCode.ERR_ALREADY_EXIST
    after = endpoint.inventory().storage_repositories
    assert after.keys() == before.keys()
    assert after[repository].attached


@pytest.mark.parametrize(
    "wanted", [{"location": "relative"}, {"location": ""}, {"name_label": ""}, {"type": "nfs"}]
)
def test_a_repository_of_what_there_is_not_is_refused(
    endpoint: Endpoint, subject: Subject, wanted: dict[str, str]
) -> None:
    spec = StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=subject.new_directory())
    before = endpoint.inventory().storage_repositories
    with pytest.raises(HypervisorError) as raised:
        endpoint.storage.create_repository(replace(spec, **wanted))
    assert code_of(raised.value) in {
        ErrorCode.ERR_BAD_PARAMETER,
        ErrorCode.ERR_OPERATION_FAILED,
    }
    assert endpoint.inventory().storage_repositories.keys() == before.keys()


def test_a_repository_that_is_removed_takes_its_images_from_sight_and_leaves_them(
    endpoint: Endpoint, subject: Subject, repository: str
) -> None:
    location = endpoint.inventory().storage_repositories[repository].location
    image = endpoint.storage.create_image(_image(repository))
    path = endpoint.inventory().disk_images[image].location
    endpoint.storage.remove_repository(repository.upper())
    after = endpoint.inventory()
    assert repository not in after.storage_repositories
    assert image not in after.disk_images
    again = endpoint.storage.create_repository(
        StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=location)
    )
    if subject.keeps_files:
        [found] = _images_in(endpoint, again)
        assert endpoint.inventory().disk_images[found].location == path
        endpoint.storage.delete_image(found)
    endpoint.storage.remove_repository(again)


@pytest.mark.parametrize("fully_allocated", [False, True])
@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_an_image_is_as_it_was_specified_at_the_next_read(
    endpoint: Endpoint, repository: str, image_format: str, *, fully_allocated: bool
) -> None:
    spec = _image(
        repository,
        name_description="mine",
        size_bytes=3 * MIB,
        format=image_format,
        fully_allocated=fully_allocated,
    )
    uuid = endpoint.storage.create_image(spec)
    inventory = endpoint.inventory()
    made = inventory.disk_images[uuid]
    assert (made.uuid, made.name_label, made.sr_uuid) == (uuid, spec.name_label, repository)
    assert (made.virtual_size_bytes, made.format) == (3 * MIB, image_format)
    location = inventory.storage_repositories[repository].location
    assert made.location == f"{location}/{spec.name_label}"
    assert _images_in(endpoint, repository) == [uuid]


def test_an_image_has_the_format_of_the_hypervisor_where_none_is_wanted(
    endpoint: Endpoint, repository: str
) -> None:
    uuid = endpoint.storage.create_image(_image(repository, format=""))
    assert endpoint.inventory().disk_images[uuid].format == "qcow2"


def test_an_image_is_used_deleted_and_made_again_under_its_name(
    endpoint: Endpoint, repository: str, define: Define
) -> None:
    spec = _image(repository)
    image = endpoint.storage.create_image(spec)
    uuid = define(disks=(DiskSpec(id="vda", image_uuid=image.upper(), format="raw"),))
    [disk] = system_of(endpoint, uuid).disks
    assert disk.image is endpoint.inventory().disk_images[image]
    with pytest.raises(HypervisorError) as raised:
        endpoint.storage.delete_image(image)
    assert code_of(raised.value) is ErrorCode.ERR_FILE_IN_USE
    assert image in endpoint.inventory().disk_images
    endpoint.destroy(uuid)
    endpoint.storage.delete_image(image.upper())
    assert image not in endpoint.inventory().disk_images
    again = endpoint.storage.create_image(replace(spec, size_bytes=2 * MIB))
    assert endpoint.inventory().disk_images[again].virtual_size_bytes == 2 * MIB


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"sr_uuid": NOBODY}, ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
        ({"size_bytes": -MIB}, ErrorCode.ERR_BAD_PARAMETER),
        ({"name_label": "../elsewhere"}, ErrorCode.ERR_BAD_PARAMETER),
        ({"format": "no-such-format"}, ErrorCode.ERR_BAD_PARAMETER),
        (
            {"size_bytes": 1 << 62, "fully_allocated": True},
            ErrorCode.ERR_OUT_OF_DISK_SPACE,
        ),
    ],
)
def test_an_image_that_cannot_be_made_is_refused_and_nothing_of_it_remains(
    endpoint: Endpoint, repository: str, wanted: dict[str, object], code: ErrorCode
) -> None:
    with pytest.raises(HypervisorError) as raised:
        endpoint.storage.create_image(_image(repository, **wanted))
    assert code_of(raised.value) is code
    assert _images_in(endpoint, repository) == []


def test_an_image_whose_name_is_taken_is_refused_and_the_other_stays(
    endpoint: Endpoint, repository: str
) -> None:
    spec = _image(repository)
    image = endpoint.storage.create_image(spec)
    before = endpoint.inventory().disk_images[image]
    with pytest.raises(HypervisorError) as raised:
        endpoint.storage.create_image(replace(spec, size_bytes=2 * MIB))
    assert code_of(raised.value) is ErrorCode.ERR_ALREADY_EXIST
    assert endpoint.inventory().disk_images[image] == before
    assert _images_in(endpoint, repository) == [image]


def test_an_image_has_its_new_size_at_the_next_read_or_the_old_one_where_that_is_refused(
    endpoint: Endpoint, subject: Subject, repository: str, define: Define
) -> None:
    image = endpoint.storage.create_image(_image(repository))
    uuid = define(disks=(DiskSpec(id="vda", image_uuid=image, format="raw"),))
    if subject.resizes_images:
        endpoint.storage.resize_image(image.upper(), 2 * MIB)
    else:
        with pytest.raises(HypervisorError):
            endpoint.storage.resize_image(image.upper(), 2 * MIB)
    resized = endpoint.inventory().disk_images[image]
    assert resized.virtual_size_bytes == (2 * MIB if subject.resizes_images else MIB)
    [disk] = system_of(endpoint, uuid).disks
    assert disk.image is resized


@pytest.mark.parametrize("size_bytes", [0, -MIB, 512, 1 << 63])
def test_an_image_is_never_cut_off_nor_of_an_impossible_size(
    endpoint: Endpoint, subject: Subject, repository: str, size_bytes: int
) -> None:
    image = endpoint.storage.create_image(_image(repository))
    with pytest.raises(HypervisorError) as raised:
        endpoint.storage.resize_image(image, size_bytes)
    if subject.resizes_images:
        assert code_of(raised.value) is ErrorCode.ERR_BAD_PARAMETER
    assert endpoint.inventory().disk_images[image].virtual_size_bytes == MIB


def test_storage_that_is_not_there_is_told_as_such(endpoint: Endpoint) -> None:
    for operation in (
        lambda: endpoint.storage.remove_repository(NOBODY),
        lambda: endpoint.storage.resize_image(NOBODY, MIB),
        lambda: endpoint.storage.delete_image(NOBODY),
    ):
        with pytest.raises(HypervisorError) as raised:
            operation()
        assert code_of(raised.value) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE


def test_the_monitor_learns_of_the_task_that_decides_about_storage(
    endpoint: Endpoint, subject: Subject
) -> None:
    spec = StorageRepositorySpec(name_label=f"pool-{uuid4()}", location=subject.new_directory())
    made: list[str] = []
    storage = endpoint.storage
    for operation in (
        lambda witness: made.append(storage.create_repository(spec, witness)),
        lambda witness: made.append(storage.create_image(_image(made[0]), witness)),
        lambda witness: storage.delete_image(made[1], witness),
        lambda witness: storage.remove_repository(made[0], witness),
    ):
        witness = Witness()
        operation(witness)
        assert [decisive for _, decisive in witness.tasks][-1:] == [True]
        assert all(ref for ref, _ in witness.tasks)
        assert all(0.0 <= fraction <= 1.0 for fraction in witness.fractions)
