"""Records of faults as they would come with a message that a source can give.

The values of a message and the call that it comes with are plausible ones: a log file must not look
like a disk, and what a driver says while it attaches a device comes with that call. ``skeleton``
names a message without repeating it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re

from source_messages import SourceMessage

from virtcim.errormap.reading.libvirt_numbers import BEGINNINGS, LIBVIRT_NUMBERS

__all__ = ["PLACE", "message_of", "operation_of", "record_of", "skeleton"]

PLACE = re.compile(
    r"%%|%(?:\d+\$)?[-#0 +']*(?:\d+|\*)?(?:\.(?:\d+|\*(?:\d+\$)?))?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]"
)
# The first whose words stand before a placeholder, or anywhere in the message, names its value.
_VALUES: tuple[tuple[str, str], ...] = (
    (r"log ?file|\blog\b", "/var/log/libvirt/qemu/vm1.log"),
    (r"pid ?file", "/run/libvirt/qemu/vm1.pid"),
    (r"lock ?(?:file|space)", "/run/libvirt/vm1.lck"),
    (r"cgroup|controller (?:path|mount)", "/sys/fs/cgroup/machine.slice/vm1"),
    (r"sysfs", "/sys/class/net/eth0/mtu"),
    (r"certificate|\bkey file|\bca\b|\bcrl\b", "/etc/pki/libvirt/servercert.pem"),
    (r"config(?:uration)? ?(?:file|dir\w*)?", "/etc/libvirt/qemu/vm1.xml"),
    (r"status (?:xml|file)|state (?:file|dir)", "/run/libvirt/qemu/vm1.xml"),
    (r"socket|monitor", "/run/libvirt/qemu/vm1/monitor.sock"),
    (r"huge ?(?:page|tlb)", "/dev/hugepages/libvirt"),
    (r"mem(?:ory)?[- ](?:path|file)|backing store", "/mnt/memory/vm1"),
    (r"firmware|\bbios\b|\brom\b|nvram|pflash", "/usr/share/OVMF/OVMF_CODE.fd"),
    (r"kernel", "/var/lib/vms/vmlinuz"),
    (r"initrd|ramdisk", "/var/lib/vms/initrd.img"),
    (r"tpm", "/dev/tpm0"),
    (r"vfio|iommu", "/dev/vfio/12"),
    (r"binary|program|command|emulator|helper|execut\w*|script|hook", "/usr/bin/qemu-helper"),
    (r"image|disk|volume|cd-?rom|backing|drive|iso|medium|vdi\b|pool|snapshot file|save", "DISK"),
)
_DISK = "/var/lib/libvirt/images/vm1.qcow2"
_FILE = "/srv/data/vm1.dat"
_PATH_WORD = re.compile(
    r"(?:file|path|director(?:y|ies)|dir|node|to open|open|stat|read|write|access|create|unlink"
    r"|owner|mode|remove|mkdir|chown|chmod|mount|rename|ownership of|label on)"
    r"(?: of| on| at| from| to| in| for)?\W*$"
)
# What describes emulators, their firmware and helpers to libvirt.
_DESCRIPTION = "/usr/share/qemu/firmware/60-edk2-x86_64.json"
_DESCRIPTIONS = re.compile(r"qemu_(?:firmware|interop_config|vhost_user)\.c$")
_STORAGE = re.compile(r"storage|^block|blockdev|qemu-img|vdi|luks|vbox")
_NUMBERS = "diuxXoc"
_NAMES: tuple[tuple[str, str], ...] = (
    (r"error|reason|because", "Invalid argument"),
    (r"bridge|network", "br0"),
    (r"interface|nic|dev(?:ice)? name", "eth0"),
    (r"domain|\bvm\b|guest|machine", "vm1"),
    (r"uuid", "5a1c7d3e-9d0b-4a39-8f6e-2f6c1c9f8a10"),
    (r"mac", "52:54:00:12:34:56"),
    (r"host|server|address", "host2.example.com"),
    (r"pci|usb|hostdev", "0000:03:00.0"),
    (r"disk|target|drive|block", "vda"),
    (r"cpu|feature", "avx10"),
    (r"alias|id\b|device|controller", "dev0"),
)


def message_of(message: SourceMessage) -> str:
    """The message with plausible values in its places."""
    text = message.format.replace("@FUNC@", message.function)
    return PLACE.sub(lambda place: _value(message, text, place), text)


def _value(message: SourceMessage, text: str, place: re.Match[str]) -> str:
    kind = place[0][-1]
    if kind == "%":
        return "%"
    if kind == "m":
        return "Invalid argument"
    if kind in _NUMBERS:
        return "17"
    if kind in "fgeEG":
        return "1.5"
    if kind == "p":
        return "0x7f00"
    before = text[max(0, place.start() - 40) : place.start()].lower()
    # Values of other places are no words of the message.
    before = PLACE.sub("", before)
    if _DESCRIPTIONS.search(message.file) and re.search(r"\b(?:in|from|file) '$", before):
        return _DESCRIPTION
    if _PATH_WORD.search(before):
        return _path(message, before, text.lower())
    if place.end() == len(text) and before.rstrip().endswith(":"):
        return "Invalid argument"
    return _first(_NAMES, before, "") or _first(_NAMES, text.lower(), "value1")


def _path(message: SourceMessage, before: str, text: str) -> str:
    found = _first(_VALUES, before, "") or _first(_VALUES, text, "")
    if not found:
        found = "DISK" if _STORAGE.search(message.file) else _FILE
    return _DISK if found == "DISK" else found


def _first(table: tuple[tuple[str, str], ...], text: str, otherwise: str) -> str:
    return next((value for words, value in table if re.search(words, text)), otherwise)


# --- The call that a message comes with: the first row whose pattern is found in `file:function`.

_LIBVIRT: tuple[tuple[str, str], ...] = (
    (r"libvirt-(?:qemu|lxc|admin)|/admin/", "virConnectGetCapabilities"),
    (r"[Mm]igrat", "virDomainMigrateToURI3"),
    (r"[Ss]napshot\w*(?:Revert)|Revert", "virDomainRevertToSnapshot"),
    (r"[Ss]napshot|[Cc]heckpoint", "virDomainSnapshotCreateXML"),
    (r"backup", "virDomainBackupBegin"),
    (r"nwfilter", "virNWFilterDefineXML"),
    (
        r"virnetwork|network_conf|networkportdef|netdev_bandwidth_conf|netdev_vlan",
        "virNetworkDefineXML",
    ),
    (r"src/network/|bridge_driver|virdnsmasq|viriptables|virfirewall", "virNetworkCreate"),
    (r"interface", "virInterfaceDefineXML"),
    (
        r"storage_conf|storage_(?:pool|vol)\w*_conf|[Vv]olDefParse|[Pp]oolDefParse",
        "virStoragePoolDefineXML",
    ),
    (
        r"src/storage/.*(?:[Bb]uildVol|[Cc]reateVol|[Cc]reateImg|QemuImg|[Rr]esize)",
        "virStorageVolCreateXML",
    ),
    (r"src/storage/.*(?:[Ww]ipe|[Dd]eleteVol|[Uu]pload|[Dd]ownload)", "virStorageVolWipe"),
    (r"src/storage/|iscsi", "virStoragePoolCreate"),
    (r"secret", "virSecretDefineXML"),
    (r"node_device|virmdev|virpci:", "virNodeDeviceCreateXML"),
    (r"src/rpc/|src/remote/|virtls|ConnectOpen(?:Auth)?$|viruri", "virConnectOpen"),
    (r"[Dd]etach|[Hh]otunplug|RemoveDevice", "virDomainDetachDeviceFlags"),
    (r"[Aa]ttach|[Hh]otplug", "virDomainAttachDeviceFlags"),
    (r"[Uu]pdateDevice|ChangeNet|ChangeGraphics|ChangeDisk", "virDomainUpdateDeviceFlags"),
    (
        r"[Ss]etVcpus|SetMemory|IOThread|Tune|PinVcpu|SetInterfaceParam|SetMetadata",
        "virDomainSetVcpusFlags",
    ),
    (r"[Bb]lock(?:Copy|Commit|Pull|job|Job|Rebase)", "virDomainBlockCopy"),
    (r"[Ss]ave(?:Image)?|[Mm]anagedSave|saveimage", "virDomainSave"),
    (r"[Rr]estore", "virDomainRestoreFlags"),
    (r"[Dd]ump", "virDomainCoreDumpWithFormat"),
    (r"[Aa]gent", "virDomainQemuAgentCommand"),
    (
        r"_capabilities|capabilities\.c|cpu_map|nodeinfo|virhostcpu|virhostmem",
        "virConnectGetCapabilities",
    ),
    (
        r"_conf\.[ch]:|[Pp]arse(?:XML|Xml|Node)?|[Vv]alidate|PostParse|DefPost|vmx|xen_x[ml]",
        "virDomainDefineXML",
    ),
    (r"Get|List|NumOf|Lookup|Stats", "virDomainGetXMLDesc"),
    (r"[Ss]hutdown|[Rr]eboot", "virDomainShutdown"),
    (r"[Dd]estroy", "virDomainDestroy"),
    (r"[Ss]uspend|[Rr]esume", "virDomainSuspend"),
)
_DRIVERS = re.compile(r"^(?:qemu|lxc|libxl|test|esx|vbox|vz|bhyve|ch|hyperv|vmware|openvz|remote)")
_PUBLIC = re.compile(
    r"(Domain|Network|StoragePool|StorageVol|Interface|NodeDevice|Secret|NWFilter|Connect|Node)"
    r"(?=[A-Z])(\w+)"
)
_QEMU: tuple[tuple[str, str], ...] = (
    (r"^qga/", "guest-exec"),
    (r"^migration/|^hw/vfio/migration|vmstate", "migrate"),
    (r"^qemu-img|^block/.*(?:_co_create|_create)", "blockdev-create"),
    (r"^block/(?:mirror|commit|stream|backup|replication)", "blockdev-mirror"),
    (r"^block|^nbd/|^qemu-io|^qemu-nbd|^crypto/block", "blockdev-add"),
    (r"^net/", "netdev_add"),
    (r"^chardev/", "chardev-add"),
    (r"^dump/", "dump-guest-memory"),
    (r"^backends/|^authz/|^crypto/", "object-add"),
    (r"^audio/|^ui/", "(start)"),
    (r"^job|^blockjob", "job-complete"),
    (
        r"^replay/|^softmmu/(?:vl|runstate)|^system/(?:vl|runstate)|^hw/(?:i386|arm|ppc|riscv)/\w+\.c",
        "(start)",
    ),
    (r"", "device_add"),
)


def operation_of(message: SourceMessage) -> str:
    """The management call that ``message`` most likely comes with, by its file and function."""
    if message.source == "xapi":
        return message.function
    if message.source == "qemu":
        return _qemu_operation(message)
    if re.match(r"src/libvirt(?:-\w+)*\.c", message.file) and message.function.startswith("vir"):
        return message.function
    driver = _DRIVERS.match(message.function)
    if driver and "_driver" in message.file:
        public = _PUBLIC.fullmatch(message.function[driver.end() :])
        if public:
            return f"vir{public[0]}"
    place = f"{message.file}:{message.function}"
    return next((name for words, name in _LIBVIRT if re.search(words, place)), "virDomainCreate")


def _qemu_operation(message: SourceMessage) -> str:
    if message.kind == "report":
        # Standard error of the tools that make images, or of an emulator that ends.
        return "virStorageVolCreateXML" if message.file.startswith("qemu-") else "(start)"
    if message.function.startswith(("qmp_", "hmp_")) and not message.file.startswith("qga/"):
        name = message.function.partition("_")[2]
        # Commands before 1.2 keep their low lines.
        return (
            name if name in ("device_add", "netdev_add", "block_resize") else name.replace("_", "-")
        )
    return next(name for words, name in _QEMU if re.search(words, message.file))


# --- Records


def record_of(message: SourceMessage, number: int = errno.EINVAL) -> dict[str, object] | None:
    """The record of ``message`` as `virtcim errormap translate` takes it, or None.

    ``number`` is the errno that a message ends in where its macro asks for one. None is for what
    nobody can fill: a number of libvirt's that is computed.
    """
    if message.source == "xapi":
        raw: dict[str, object] | None = {"error_description": list(message.arguments)}
    else:
        raw = _libvirt(message, number) if message.source == "libvirt" else _qemu(message, number)
    if raw is None:
        return None
    return {"source": message.source, "operation": operation_of(message), "raw": raw}


_HEADS = {number: head for head, number in reversed(BEGINNINGS.items())}


def _libvirt(message: SourceMessage, number: int) -> dict[str, object] | None:
    code = LIBVIRT_NUMBERS.get(message.kind)
    if code is None:
        return None
    text = message_of(message)
    head = _HEADS.get(code, "")
    if head and head.endswith(":"):
        text = f"{head.replace('xml', 'XML')} {text}"
    raw: dict[str, object] = {"code": code, "domain": message.domain or "VIR_FROM_NONE"}
    if code == LIBVIRT_NUMBERS["VIR_ERR_SYSTEM_ERROR"]:
        text = f"{text}: {os.strerror(number)}"
        raw["int1"] = number
    return {**raw, "message": text}


def _qemu(message: SourceMessage, number: int) -> dict[str, object]:
    text = message_of(message)
    if message.macro in ("error_setg_errno", "error_setg_file_open"):
        text = f"{text}: {os.strerror(number)}"
    if message.kind == "report":
        return {"exit_status": 1, "stderr": f"qemu-system-x86_64: {text}"}
    kind = message.kind if message.kind.isalpha() else "GenericError"
    return {"class": kind, "desc": text}


def skeleton(source: str, written: str) -> str:
    """A name for the message that is ``written`` in a source, which does not repeat it.

    It is a hash of the words without the places for values.
    """
    words = " ".join(PLACE.sub("%", written).split())
    return hashlib.sha256(f"{source}|{words}".encode()).hexdigest()[:20]
