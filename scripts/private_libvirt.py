"""A libvirtd with QEMU of one's own, apart from the machine's: for the demonstration and the tests.

It is libvirt's unprivileged session daemon with every directory of its own, so that it shares
nothing with a libvirtd of the machine or of the user. Started by root it gives up its rights: root
does not have a session daemon, and the system daemon's places are fixed.

As a program, `private_libvirt.py run DIR` prints `ready <uri>` and runs until SIGTERM or SIGINT;
then its daemon and all its virtual machines are gone. As a library, `PrivateLibvirt` runs that
program, and also kills and restarts the daemon below living virtual machines.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO

import libvirt

__all__ = ["PrivateLibvirt", "PrivateLibvirtError"]

_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.02
_KVM = Path("/dev/kvm")
# Debian's account without rights; an account is needed, as libvirt looks up its own name.
_UNPRIVILEGED_ID = 65534
_PR_SET_CHILD_SUBREAPER = 36

# The variable that takes the language from the library to the program.
_LANGUAGE = "PRIVATE_LIBVIRT_LANGUAGE"

# stdio_handler: otherwise a virtlogd is started that outlives everything.
_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
max_core = 0
"""

_POOL_XML = """\
<pool type='dir'><name>default</name><target><path>{images}</path></target></pool>
"""


class PrivateLibvirtError(RuntimeError):
    """The private libvirtd does not do what it must; the message says what and where its log is."""


# --------------------------------------------------------------------------------------------------
# The library
# --------------------------------------------------------------------------------------------------


class PrivateLibvirt:
    """A running private libvirtd, stopped and forgotten at the end of a `with` block.

    `directory` holds all its files; without one a temporary directory is made and removed again.
    `language` ("de") is the one of its messages, where libvirt's translations are installed.
    """

    def __init__(self, directory: Path | None = None, *, language: str = "") -> None:
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="virtcim-libvirt-"))
        self._language = language
        self._process: subprocess.Popen[str] | None = None

    @property
    def uri(self) -> str:
        """The URI of its QEMU driver."""
        return _uri("qemu", "session", self.directory)

    @property
    def test_uri(self) -> str:
        """The URI of the test driver that lives inside this libvirtd."""
        return _uri("test", "default", self.directory)

    @property
    def images(self) -> Path:
        """The directory of the storage pool `default`."""
        return self.directory / "images"

    @property
    def log(self) -> Path:
        """What libvirtd had to say."""
        return self.directory / "libvirtd.log"

    def __enter__(self) -> PrivateLibvirt:
        mode = "control-temporary" if self._temporary else "control"
        self._process = subprocess.Popen(
            [sys.executable, __file__, mode, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, _LANGUAGE: self._language},
            # Ctrl-C is for the program in the foreground, which then stops us in good order.
            process_group=0,
        )
        try:
            self._expect_answer("ready")
        except PrivateLibvirtError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            # The end of its standard input tells the program to stop; so does our own sudden death.
            self._process.communicate(timeout=12 * _STOP_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """Kill libvirtd as a crash would; its virtual machines go on running."""
        self._command("kill")

    def start(self) -> None:
        """Start libvirtd again after `kill`; it finds its virtual machines."""
        self._command("start")

    def give(self, path: Path) -> Path:
        """Let libvirtd and its QEMUs read and write a file or directory that the caller made."""
        if os.geteuid() == 0:
            os.chown(path, _UNPRIVILEGED_ID, _UNPRIVILEGED_ID)
        return path

    def _command(self, command: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._expect_answer(command)

    def _expect_answer(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.split()[:1] != [word]:
            reason = line + self._process.stdout.read()
            raise PrivateLibvirtError(f"the private libvirtd stopped: {reason}")


def _uri(driver: str, path: str, directory: Path) -> str:
    return f"{driver}+unix:///{path}?socket={directory}/run/libvirt-sock"


# --------------------------------------------------------------------------------------------------
# The program
# --------------------------------------------------------------------------------------------------


class _Supervisor:
    """Parent of libvirtd, and through it of every QEMU: nothing escapes, nothing stays behind."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._libvirtd_pid: int | None = None

    def prepare(self) -> None:
        """Make the directories and configuration files, and become the parent of all orphans."""
        # QEMU detaches itself from libvirtd. Where process 1 is slow to notice dead orphans,
        # libvirt waits for seconds; and only a parent can be sure to have found them all.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise PrivateLibvirtError(f"prctl: {os.strerror(ctypes.get_errno())}")
        configuration = self.directory / "config" / "libvirt"
        for path in (configuration, *map(self.directory.joinpath, ("run", "cache", "images"))):
            path.mkdir(parents=True, exist_ok=True)
        (configuration / "qemu.conf").write_text(_QEMU_CONF)
        # Without DMI data libvirt would call itself another host after each restart.
        identity = configuration / "libvirtd.conf"
        if not identity.exists():
            identity.write_text(
                f'unix_sock_dir = "{self.directory}/run"\n'
                'log_outputs = "3:stderr"\n'
                f'host_uuid = "{uuid.uuid4()}"\n'
            )
        if os.geteuid() == 0:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, _UNPRIVILEGED_ID, _UNPRIVILEGED_ID, follow_symlinks=False)

    def start(self) -> None:
        """Start libvirtd and wait until it serves, with its storage pool."""
        environment = {
            **_locale(),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.directory),
            "XDG_RUNTIME_DIR": str(self.directory / "run"),
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "XDG_DATA_HOME": str(self.directory / "data"),
        }
        is_root = os.geteuid() == 0
        with (self.directory / "libvirtd.log").open("a") as log:
            process = subprocess.Popen(
                ["libvirtd", "--pid-file", str(self.directory / "run" / "libvirtd.pid")],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=_UNPRIVILEGED_ID if is_root else None,
                group=_UNPRIVILEGED_ID if is_root else None,
                extra_groups=_kvm_groups() if is_root else None,
            )
        # From here on it is waited for by number, among all the other children.
        process.returncode = 0
        self._libvirtd_pid = process.pid
        self._wait_until_serving()

    def _wait_until_serving(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                connection = libvirt.open(_uri("qemu", "session", self.directory))
                break
            except libvirt.libvirtError as error:
                self.reap()
                if self._libvirtd_pid is None or time.monotonic() > deadline:
                    raise PrivateLibvirtError(f"libvirtd does not start: {error}") from error
                time.sleep(_POLL_INTERVAL_S)
        try:
            if not connection.listAllStoragePools():
                xml = _POOL_XML.format(images=self.directory / "images")
                pool = connection.storagePoolDefineXML(xml)
                pool.setAutostart(1)
                pool.create()
        finally:
            connection.close()

    def kill(self) -> None:
        """Kill libvirtd alone."""
        if self._libvirtd_pid is not None:
            os.kill(self._libvirtd_pid, signal.SIGKILL)
            while self._libvirtd_pid is not None:
                self.reap(block=True)

    def reap(self, *, block: bool = False) -> bool:
        """Take note of children that have ended; tell whether any are left."""
        try:
            while True:
                pid, _ = os.waitpid(-1, 0 if block else os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._libvirtd_pid:
                    self._libvirtd_pid = None
                if block:
                    return True
        except ChildProcessError:
            self._libvirtd_pid = None
            return False

    def log_text(self) -> str:
        """What libvirtd had to say."""
        log = self.directory / "libvirtd.log"
        return log.read_text(errors="replace") if log.is_file() else ""

    @property
    def running(self) -> bool:
        return self._libvirtd_pid is not None

    def stop(self) -> None:
        """End libvirtd, then everything it has left."""
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        if self._libvirtd_pid is not None:
            os.kill(self._libvirtd_pid, signal.SIGTERM)
        while self.reap() and self._libvirtd_pid is not None and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL_S)
        while self.reap():
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_INTERVAL_S)


def _locale() -> dict[str, str]:
    """The variables that choose libvirtd's language: English, unless another one is asked for."""
    language = os.environ.get(_LANGUAGE, "")
    # gettext asks for a LANGUAGE only where the locale is not C itself.
    return {"LC_ALL": "C.UTF-8", "LANGUAGE": language} if language else {"LC_ALL": "C"}


def _kvm_groups() -> list[int]:
    try:
        status = _KVM.stat()
    except FileNotFoundError:
        return []
    return [status.st_gid] if status.st_mode & 0o060 == 0o060 and status.st_gid != 0 else []


def _children() -> list[int]:
    """The process numbers of this process's children, from proc(5)."""
    own = os.getpid()
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in the second field may itself contain blanks and brackets.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == own:
            children.append(int(status.parent.name))
    return children


def _main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("run", "control", "control-temporary"):
        print("usage: private_libvirt.py run DIR", file=sys.stderr)
        return 2
    libvirt.registerErrorHandler(lambda *_: None, None)
    # Signals arrive as bytes on a pipe, beside the commands: one thing happens at a time.
    signals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    supervisor = _Supervisor(Path(arguments[1]).absolute())
    commands = None if arguments[0] == "run" else sys.stdin
    try:
        supervisor.prepare()
        supervisor.start()
        print(f"ready {_uri('qemu', 'session', supervisor.directory)}", flush=True)
        return _serve(supervisor, signals, commands)
    except (PrivateLibvirtError, OSError) as error:
        print(error, supervisor.log_text(), sep="\n", file=sys.stderr, flush=True)
        return 1
    finally:
        supervisor.stop()
        if arguments[0] == "control-temporary":
            shutil.rmtree(supervisor.directory)


def _serve(supervisor: _Supervisor, signals: int, commands: IO[str] | None) -> int:
    """Obey until told to stop; give the exit status."""
    sources = [signals, *([] if commands is None else [commands.fileno()])]
    expected_to_run = True
    while True:
        readable, _, _ = select.select(sources, [], [])
        if signals in readable:
            if {signal.SIGTERM, signal.SIGINT} & set(os.read(signals, 64)):
                return 0
            supervisor.reap()
            if expected_to_run and not supervisor.running:
                print("libvirtd has ended by itself", file=sys.stderr)
                return 1
        elif commands is not None:
            # One command is answered before the next is sent, so no second line is buffered.
            command = commands.readline().strip()
            if command == "kill":
                supervisor.kill()
                expected_to_run = False
            elif command == "start":
                supervisor.start()
                expected_to_run = True
            else:
                return 0
            print(command, flush=True)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
