"""The emulators of a private libvirtd, as processes."""

from __future__ import annotations

from pathlib import Path

from private_libvirt import PrivateLibvirt

__all__ = ["qemu_process"]


def qemu_process(private_libvirt: PrivateLibvirt, uuid: str) -> int:
    """The process of a running machine: QEMU has the machine's UUID on its command line."""
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command_line.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if uuid.encode() in words and str(private_libvirt.directory).encode() in b" ".join(words):
            found.append(int(command_line.parent.name))
    [process] = found
    return process
