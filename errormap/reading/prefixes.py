"""What libvirt puts before a message: the words of its number, which name no object."""

from __future__ import annotations

from virtcim.errormap.reading.libvirt_numbers import BEGINNINGS

__all__ = ["domain_name", "without_prefix"]

_SEARCHED = 2_000
# The order of virErrorDomain in libvirt/virterror.h, from 0.
_DOMAINS = (
    "NONE",
    "XEN",
    "XEND",
    "XENSTORE",
    "SEXPR",
    "XML",
    "DOM",
    "RPC",
    "PROXY",
    "CONF",
    "QEMU",
    "NET",
    "TEST",
    "REMOTE",
    "OPENVZ",
    "XENXM",
    "STATS_LINUX",
    "LXC",
    "STORAGE",
    "NETWORK",
    "DOMAIN",
    "UML",
    "NODEDEV",
    "XEN_INOTIFY",
    "SECURITY",
    "VBOX",
    "INTERFACE",
    "ONE",
    "ESX",
    "PHYP",
    "SECRET",
    "CPU",
    "XENAPI",
    "NWFILTER",
    "HOOK",
    "DOMAIN_SNAPSHOT",
    "AUDIT",
    "SYSINFO",
    "STREAMS",
    "VMWARE",
    "EVENT",
    "LIBXL",
    "LOCKING",
    "HYPERV",
    "CAPABILITIES",
    "URI",
    "AUTH",
    "DBUS",
    "PARALLELS",
    "DEVICE",
    "SSH",
    "LOCKSPACE",
    "INITCTL",
    "IDENTITY",
    "CGROUP",
    "ACCESS",
    "SYSTEMD",
    "BHYVE",
    "CRYPTO",
    "FIREWALL",
    "POLKIT",
    "THREAD",
    "ADMIN",
    "LOGGING",
    "XENXL",
    "PERF",
    "LIBSSH",
    "RESCTRL",
    "FIREWALLD",
    "DOMAIN_CHECKPOINT",
    "TPM",
    "BPF",
    "CH",
)


# What stands before the beginning of a message that was quoted or handed on.
_LEADS = (": ", ": '", "] ", "`", '"', "*", ">", "\uff1a", "\u201c")


def without_prefix(message: str, number: str) -> str:
    """``message`` without the words that libvirt begins every message of ``number`` with.

    What a program said before it handed the message on goes with them.
    """
    lowered = message[:_SEARCHED].lower()
    for beginning, of in BEGINNINGS.items():
        if str(of) != number:
            continue
        if lowered.startswith(beginning):
            return message[len(beginning) :].lstrip()
        for handed in (f"{lead}{beginning}" for lead in _LEADS):
            at = lowered.find(handed)
            if at >= 0:
                return message[at + len(handed) :].lstrip()
    return message


def domain_name(domain: str) -> str:
    """The name of a libvirt error domain that is given by its name or its number."""
    if domain.isdecimal() and len(domain) < 4 and int(domain) < len(_DOMAINS):
        return f"VIR_FROM_{_DOMAINS[int(domain)]}"
    return domain
