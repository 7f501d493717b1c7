"""What people type for a management call: verbs of virsh, xl, xm, qm and tools around libvirt, and
the emulator itself.

Programs log the command that they ran where others log the call. libvirt's names are those of
virsh(1), xend's those of its Python methods, ``(start)`` is an emulator that is being started.
"""

from __future__ import annotations

__all__ = ["START", "call_of_command"]

START = "(start)"
_VIRSH = {
    "attach-device": "virDomainAttachDeviceFlags",
    "attach-disk": "virDomainAttachDeviceFlags",
    "attach-interface": "virDomainAttachDeviceFlags",
    "backup-begin": "virDomainBackupBegin",
    "autostart": "virDomainSetAutostart",
    "blkdeviotune": "virDomainSetBlockIoTune",
    "blockcommit": "virDomainBlockCommit",
    "blockcopy": "virDomainBlockCopy",
    "blockjob": "virDomainBlockJobAbort",
    "blockpull": "virDomainBlockPull",
    "blockresize": "virDomainBlockResize",
    "capabilities": "virConnectGetCapabilities",
    "change-media": "virDomainUpdateDeviceFlags",
    "checkpoint-create": "virDomainCheckpointCreateXML",
    "connect": "virConnectOpenAuth",
    "console": "virDomainOpenConsole",
    "create": "virDomainCreateXML",
    "define": "virDomainDefineXML",
    "destroy": "virDomainDestroyFlags",
    "detach-device": "virDomainDetachDeviceFlags",
    "detach-disk": "virDomainDetachDeviceFlags",
    "detach-interface": "virDomainDetachDeviceFlags",
    "dominfo": "virDomainGetInfo",
    "domblklist": "virDomainGetXMLDesc",
    "domcapabilities": "virConnectGetDomainCapabilities",
    "domdisplay": "virDomainGetXMLDesc",
    "domfsfreeze": "virDomainFSFreeze",
    "domfsinfo": "virDomainGetFSInfo",
    "domfsthaw": "virDomainFSThaw",
    "domfstrim": "virDomainFSTrim",
    "domifaddr": "virDomainInterfaceAddresses",
    "domiftune": "virDomainSetInterfaceParameters",
    "domjobabort": "virDomainAbortJob",
    "domjobinfo": "virDomainGetJobStats",
    "dommemstat": "virDomainMemoryStats",
    "domrename": "virDomainRename",
    "domstate": "virDomainGetState",
    "domstats": "virConnectGetAllDomainStats",
    "domtime": "virDomainSetTime",
    "dump": "virDomainCoreDumpWithFormat",
    "dumpxml": "virDomainGetXMLDesc",
    "edit": "virDomainDefineXML",
    "guestinfo": "virDomainGetGuestInfo",
    "iface-bridge": "virInterfaceDefineXML",
    "iface-start": "virInterfaceCreate",
    "list": "virConnectListAllDomains",
    "managedsave": "virDomainManagedSave",
    "managedsave-remove": "virDomainManagedSaveRemove",
    "memtune": "virDomainSetMemoryParameters",
    "migrate": "virDomainMigrateToURI3",
    "net-autostart": "virNetworkSetAutostart",
    "net-create": "virNetworkCreateXML",
    "net-define": "virNetworkDefineXML",
    "net-destroy": "virNetworkDestroy",
    "net-dhcp-leases": "virNetworkGetDHCPLeases",
    "net-dumpxml": "virNetworkGetXMLDesc",
    "net-edit": "virNetworkDefineXML",
    "net-info": "virNetworkLookupByName",
    "net-list": "virConnectListAllNetworks",
    "net-start": "virNetworkCreate",
    "net-undefine": "virNetworkUndefine",
    "net-update": "virNetworkUpdate",
    "nodedev-create": "virNodeDeviceCreateXML",
    "nodedev-detach": "virNodeDeviceDetachFlags",
    "nodedev-reattach": "virNodeDeviceReAttach",
    "nodedev-start": "virNodeDeviceCreate",
    "nodeinfo": "virNodeGetInfo",
    "numatune": "virDomainSetNumaParameters",
    "nwfilter-define": "virNWFilterDefineXML",
    "nwfilter-undefine": "virNWFilterUndefine",
    "pool-autostart": "virStoragePoolSetAutostart",
    "pool-build": "virStoragePoolBuild",
    "pool-create": "virStoragePoolCreateXML",
    "pool-create-as": "virStoragePoolCreateXML",
    "pool-define": "virStoragePoolDefineXML",
    "pool-define-as": "virStoragePoolDefineXML",
    "pool-delete": "virStoragePoolDelete",
    "pool-destroy": "virStoragePoolDestroy",
    "pool-info": "virStoragePoolLookupByName",
    "pool-list": "virConnectListAllStoragePools",
    "pool-refresh": "virStoragePoolRefresh",
    "pool-start": "virStoragePoolCreate",
    "pool-undefine": "virStoragePoolUndefine",
    "qemu-agent-command": "virDomainQemuAgentCommand",
    "qemu-monitor-command": "virDomainQemuMonitorCommand",
    "reboot": "virDomainReboot",
    "reset": "virDomainReset",
    "restore": "virDomainRestoreFlags",
    "resume": "virDomainResume",
    "save": "virDomainSaveFlags",
    "secret-define": "virSecretDefineXML",
    "secret-set-value": "virSecretSetValue",
    "setmaxmem": "virDomainSetMemoryFlags",
    "setmem": "virDomainSetMemoryFlags",
    "set-user-password": "virDomainSetUserPassword",
    "setvcpus": "virDomainSetVcpusFlags",
    "shutdown": "virDomainShutdownFlags",
    "snapshot-create": "virDomainSnapshotCreateXML",
    "snapshot-create-as": "virDomainSnapshotCreateXML",
    "screenshot": "virDomainScreenshot",
    "send-key": "virDomainSendKey",
    "snapshot-delete": "virDomainSnapshotDelete",
    "snapshot-list": "virDomainListAllSnapshots",
    "snapshot-revert": "virDomainRevertToSnapshot",
    "start": "virDomainCreateWithFlags",
    "suspend": "virDomainSuspend",
    "undefine": "virDomainUndefineFlags",
    "update-device": "virDomainUpdateDeviceFlags",
    "vcpupin": "virDomainPinVcpuFlags",
    "vncdisplay": "virDomainGetXMLDesc",
    "vol-clone": "virStorageVolCreateXMLFrom",
    "vol-create": "virStorageVolCreateXML",
    "vol-create-as": "virStorageVolCreateXML",
    "vol-delete": "virStorageVolDelete",
    "vol-info": "virStorageVolLookupByName",
    "vol-list": "virStoragePoolListAllVolumes",
    "vol-wipe": "virStorageVolWipe",
    "vol-download": "virStorageVolDownload",
    "vol-resize": "virStorageVolResize",
    "vol-upload": "virStorageVolUpload",
}
_XEN = {
    "block-attach": "xend.domain.device_create",
    "block-detach": "xend.domain.destroyDevice",
    "create": "xend.domain.create",
    "delete": "xend.domain.delete",
    "destroy": "xend.domain.destroy",
    "dump-core": "xend.domain.dump",
    "info": "xend.node.info",
    "list": "xend.domains",
    "mem-set": "xend.domain.setMemoryTarget",
    "migrate": "xend.domain.migrate",
    "network-attach": "xend.domain.device_create",
    "network-detach": "xend.domain.destroyDevice",
    "new": "xend.domain.new",
    "pause": "xend.domain.pause",
    "pci-attach": "xend.domain.device_create",
    "pci-detach": "xend.domain.destroyDevice",
    "reboot": "xend.domain.shutdown",
    "restore": "xend.domain.restore",
    "resume": "xend.domain.resume",
    "save": "xend.domain.save",
    "shutdown": "xend.domain.shutdown",
    "start": "xend.domain.start",
    "suspend": "xend.domain.suspend",
    "unpause": "xend.domain.unpause",
    "vcpu-set": "xend.domain.setVCpuCount",
}
_QEMU_IMG = {
    "commit": "block-commit",
    "convert": "drive-mirror",
    "create": "blockdev-create",
    "info": "query-block",
    "rebase": "block-stream",
    "resize": "block_resize",
    "snapshot": "snapshot-save",
}
_QM = {
    "clone": "drive-mirror",
    "create": "virDomainDefineXML",
    "destroy": "virDomainUndefineFlags",
    "importdisk": "drive-mirror",
    "migrate": "virDomainMigrateToURI3",
    "resize": "block_resize",
    "resume": "virDomainResume",
    "rollback": "virDomainRevertToSnapshot",
    "set": "virDomainUpdateDeviceFlags",
    "shutdown": "virDomainShutdownFlags",
    "snapshot": "virDomainSnapshotCreateXML",
    "start": START,
    "stop": "virDomainDestroyFlags",
    "suspend": "virDomainSuspend",
}
# What tools around libvirt are asked for; Nova's are those of its older command.
_MANAGED = {
    "add": "virDomainCreateXML",
    "attach": "virDomainAttachDeviceFlags",
    "boot": "virDomainCreateXML",
    "build": "virDomainCreateXML",
    "create": "virDomainCreateXML",
    "delete": "virDomainUndefineFlags",
    "deploy": "virDomainCreateXML",
    "destroy": "virDomainUndefineFlags",
    "halt": "virDomainShutdownFlags",
    "init": "virDomainCreateXML",
    "launch": "virDomainCreateXML",
    "live-migration": "virDomainMigrateToURI3",
    "migrate": "virDomainMigrateToURI3",
    "move": "virDomainMigrateToURI3",
    "pause": "virDomainSuspend",
    "reboot": "virDomainReboot",
    "rebuild": "virDomainCreateXML",
    "reload": "virDomainReboot",
    "remove": "virDomainUndefineFlags",
    "restart": "virDomainReboot",
    "resume": "virDomainResume",
    "run": "virDomainCreateXML",
    "shutdown": "virDomainShutdownFlags",
    "snapshot": "virDomainSnapshotCreateXML",
    "start": "virDomainCreateWithFlags",
    "startup": "virDomainCreateWithFlags",
    "stop": "virDomainDestroyFlags",
    "suspend": "virDomainSuspend",
    "up": "virDomainCreateXML",
}
_MANAGERS = (
    "vagrant", "nova", "minikube", "minishift", "crc", "multipass", "virtctl", "packer",
    "gnt-instance", "onevm", "gns3", "utm", "utmctl", "lxc", "incus", "lima", "limactl",
    "colima", "docker-machine", "kcli", "podman",
)  # fmt: skip
_VERBS = {
    "virsh": _VIRSH,
    "xl": _XEN,
    "xm": _XEN,
    "qemu-img": _QEMU_IMG,
    "kvm-img": _QEMU_IMG,
    "qm": _QM,
    **dict.fromkeys(_MANAGERS, _MANAGED),
}
_PROGRAMS = {
    "virt-install": "virDomainCreateXML",
    "virt-clone": "virDomainDefineXML",
    "virt-xml": "virDomainDefineXML",
    "kvm": START,
    "qemu": START,
    "qemu-kvm": START,
    "quickemu": START,
    "qmrestore": "VM.import",
    "vzdump": "VM.export",
    "qvm-clone": "virDomainDefineXML",
    "qvm-create": "virDomainDefineXML",
    "qvm-kill": "virDomainDestroyFlags",
    "qvm-run": "virDomainCreateWithFlags",
    "qvm-shutdown": "virDomainShutdownFlags",
    "qvm-start": "virDomainCreateWithFlags",
    # Ansible's modules.
    "community.libvirt.virt": "virDomainCreateXML",
    "community.libvirt.virt_net": "virNetworkCreateXML",
    "community.libvirt.virt_pool": "virStoragePoolCreateXML",
    "xenserver_guest": "VM.provision",
    "proxmox_kvm": "virDomainCreateXML",
    "ovirt_vm": "virDomainCreateXML",
}
# What stands between podman and the verb.
_OF_PODMAN = "machine"
# Verbs of virsh that no other program and no emulator has: known without virsh before them, too.
_OWN_VERBS = ("block", "blk", "dom", "mem", "numa", "setm", "setv", "vcpu")
_VIRSH_ALONE = frozenset(
    verb
    for verb in _VIRSH
    if ("-" in verb or verb.startswith(_OWN_VERBS)) and verb != "snapshot-delete"
)
# The options of virsh before its verb that have a value of their own.
_VALUED = frozenset(("-c", "--connect", "-d", "--debug", "-k", "-K", "-l", "--log", "-e"))


def call_of_command(command: str) -> str:
    """The call that a command line makes; empty for what is no command line of these tools.

    ``virDomainCreateWithFlags`` for ``virsh -c qemu:///system start web``, ``(start)`` for an
    emulator's program with any options.
    """
    words = command.split(maxsplit=12)
    if words[:1] == ["sudo"]:
        words = words[1:]
    if not words:
        return ""
    program = words[0].rpartition("/")[2]
    if program.startswith("qemu-system-"):
        return START
    known = _PROGRAMS.get(program)
    if known is not None:
        return known
    verbs = _VERBS.get(program)
    if command in _VIRSH_ALONE:
        return _VIRSH[command]
    return "" if verbs is None else verbs.get(_verb(words[1:]), "")


def _verb(words: list[str]) -> str:
    valued = False
    for word in words:
        if not valued and not word.startswith("-") and word != _OF_PODMAN:
            return word
        valued = not valued and word in _VALUED
    return ""
