"""The real parts: a private libvirtd with QEMU, the daemons, a file system that is soon full."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import libvirt
import pytest
import pywbem
import XenAPI
from boot_sectors import write_disk
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.clocks import compiled_clock
from tests.system.file_systems import CannotMountError, tiny_file_system
from tests.system.machines import simulated_host_xml
from tests.system.stack import Stack, running_stack, wait_until_connected, xenapi_session
from tests.system.two_workers import Workers, two_workers
from tests.system.waiting import wait_for

StartDaemon = Callable[..., Daemon]
MakeDisk = Callable[..., Path]

#: What is called a storage pool and is none of libvirt's.
_PATHS = "Paths outside storage pools"


@pytest.fixture(scope="session", autouse=True)
def _errors_are_raised_not_printed() -> None:
    libvirt.registerErrorHandler(lambda *_: None, None)


@pytest.fixture(scope="session")
def shared_libvirt() -> Iterator[PrivateLibvirt]:
    """A private libvirtd that the tests share: leave nothing behind in it, and never kill it."""
    with PrivateLibvirt() as private_libvirt:
        yield private_libvirt


@pytest.fixture
def own_libvirt() -> Iterator[PrivateLibvirt]:
    """A private libvirtd of this test alone, which it may kill and start again."""
    with PrivateLibvirt() as private_libvirt:
        yield private_libvirt


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    """A directory like `short_path` for daemons that live longer than a test."""
    with _short_directory() as directory:
        yield directory


@contextmanager
def _short_directory() -> Iterator[Path]:
    # No underscore: the XenAPI module takes one in the path of a socket for a slash.
    directory = Path(tempfile.gettempdir()) / f"virtcim-{uuid.uuid4().hex[:12]}"
    directory.mkdir(mode=0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def stack(shared_libvirt: PrivateLibvirt, stack_directory: Path) -> Iterator[Stack]:
    """Toolstack and CIM server over real QEMU that the tests share: never stop them."""
    # `/nowhere` and `/images` are not there: clients may name what is missing, too.
    images = (shared_libvirt.directory, "/nowhere", "/images")
    with running_stack(shared_libvirt.uri, stack_directory, images=images) as running:
        yield running


@pytest.fixture
def cim(stack: Stack, qemu: libvirt.virConnect) -> Iterator[pywbem.WBEMConnection]:
    """A pywbem client of the shared CIM server, which shows nothing of the test before."""
    assert qemu.listAllDomains() == []
    with stack.connect() as connection:
        wait_for(
            lambda: _left_over(connection), lambda found: found == [], "what the last test had made"
        )
        yield connection


def _left_over(cim: pywbem.WBEMConnection) -> list[str]:
    """What a CIM server shows beside the pool `default`, which is empty."""
    found = [str(one["ElementName"]) for one in cim.EnumerateInstances("VirtCIM_ComputerSystem")]
    for pool in cim.EnumerateInstances("VirtCIM_StoragePool"):
        if pool["ElementName"] == "default":
            images = cim.AssociatorNames(pool.path, ResultClass="VirtCIM_DiskImage")
            found += [str(image["DeviceID"]) for image in images]
        elif pool["ElementName"] != _PATHS:
            found.append(str(pool["ElementName"]))
    return found


@pytest.fixture
def qemu(shared_libvirt: PrivateLibvirt) -> Iterator[libvirt.virConnect]:
    """A connection to real QEMU; every virtual machine, volume and pool is gone after the test."""
    connection = libvirt.open(shared_libvirt.uri)
    try:
        yield connection
    finally:
        _remove_everything(connection)
        for path in shared_libvirt.images.iterdir():
            path.unlink()
        # libvirt itself does not notice that they have gone.
        connection.storagePoolLookupByName("default").refresh()
        connection.close()


def _remove_everything(connection: libvirt.virConnect) -> None:
    for domain in connection.listAllDomains():
        # A guest may switch itself off at this very moment, and a transient machine is gone then.
        persistent = False
        with suppress(libvirt.libvirtError):
            persistent = bool(domain.isPersistent())
            domain.destroy()
        if persistent:
            domain.undefineFlags(
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            )
    for pool in connection.listAllStoragePools():
        if pool.name() != "default":
            if pool.isActive():
                pool.destroy()
            if pool.isPersistent():
                pool.undefine()


@pytest.fixture
def make_disk(shared_libvirt: PrivateLibvirt) -> MakeDisk:
    """`make_disk(boot_sector, size_bytes=..., directory=...)` gives the path of a bootable disk.

    By default it has 1 MiB and lies in the directory of the storage pool `default`.
    """

    def make(
        boot_sector: bytes, *, size_bytes: int = 1 << 20, directory: Path | None = None
    ) -> Path:
        path = (directory or shared_libvirt.images) / f"{uuid.uuid4()}.img"
        return shared_libvirt.give(write_disk(path, boot_sector, size_bytes=size_bytes))

    return make


@pytest.fixture
def full_soon(shared_libvirt: PrivateLibvirt) -> Iterator[Path]:
    """The directory of a file system of 4 MiB that libvirt and QEMU may write to."""
    with ExitStack() as stack:
        place = shared_libvirt.directory / "tiny"
        try:
            stack.enter_context(tiny_file_system(place))
        except CannotMountError as error:
            pytest.skip(f"a small file system is needed, and mounting is refused: {error}")
        yield place


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, and that QEMU may look into."""
    with _short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def workers(stack: Stack, stack_directory: Path) -> Iterator[Workers]:
    """Two workers that the tests of a file share."""
    with two_workers(stack, stack_directory) as found:
        yield found


@pytest.fixture(scope="session")
def jumping_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that a daemon is started with whose clock the test sets."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler is needed to set the clock of one program")
    return compiled_clock(compiler, tmp_path_factory.mktemp("clock"))


@pytest.fixture
def simulated_host_uri(short_path: Path) -> Callable[[int], str]:
    """`simulated_host_uri(machines)` gives the URI of a simulated host with that many of them."""

    def make(machines: int) -> str:
        description = short_path / f"host-{machines}.xml"
        description.write_text(simulated_host_xml(machines))
        return f"test://{description}"

    return make


@pytest.fixture
def start_daemon(short_path: Path) -> Iterator[StartDaemon]:
    """`start_daemon(*arguments, environment=None)` runs a `virtcim` daemon until the test's end."""
    with ExitStack() as stack:

        def start(*arguments: str, environment: dict[str, str] | None = None) -> Daemon:
            log = short_path / f"{arguments[0]}-{uuid.uuid4()}.log"
            return stack.enter_context(Daemon(*arguments, log=log, environment=environment))

        yield start


@pytest.fixture
def start_toolstack(
    start_daemon: StartDaemon, short_path: Path
) -> Callable[[str], tuple[Daemon, str]]:
    """`start_toolstack(libvirt_uri)` gives the daemon and the URL for `virtcim serve`."""

    def start(libvirt_uri: str, *options: str) -> tuple[Daemon, str]:
        identity = uuid.uuid4().hex[:8]
        socket = short_path / f"{identity}.sock"
        daemon = start_daemon(
            "toolstack",
            "--libvirt",
            libvirt_uri,
            "--listen",
            f"unix:{socket}",
            "--state",
            str(short_path / identity),
            *options,
        )
        wait_for(
            lambda: _first_refusal(socket), lambda said: said == [], "libvirt in the toolstack"
        )
        return daemon, f"xapi+unix://{socket}"

    return start


def _first_refusal(socket: Path) -> list[str]:
    """What a toolstack says that has not reached libvirt yet, as it may be ready before."""
    with xenapi_session(socket) as session:
        try:
            session.xenapi.VM.get_all()
        except XenAPI.Failure as failure:
            return list(failure.details)
    return []


@pytest.fixture
def start_cim_server(start_daemon: StartDaemon, short_path: Path) -> Callable[..., Daemon]:
    """`start_cim_server(hypervisor_url, *options)` serves on a free port, without passwords."""

    def start(hypervisor_url: str, *options: str) -> Daemon:
        server = start_daemon(
            "serve",
            "--hypervisor",
            hypervisor_url,
            "--listen",
            "http://127.0.0.1:0",
            "--auth",
            "none",
            "--state",
            str(short_path / f"serve-{uuid.uuid4().hex[:8]}"),
            *options,
        )
        wait_until_connected(server)
        return server

    return start
