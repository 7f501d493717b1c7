"""Which operation a report tells of that came without the name of its call.

Programs print the command that was typed, the function that failed or the task that failed; tools
say what they were about ("Failed to start domain"). Where none of these names a call, words still
tell whether a machine was operated or something was only asked.
"""

from __future__ import annotations

import re

from virtcim.errormap.command_lines import call_of_command
from virtcim.errormap.operations import UNNAMED, groups_of, native
from virtcim.errormap.patterns import later

__all__ = ["call_before", "call_named", "call_of_image_tool", "call_told", "groups_told"]

_LOOKED_AT = 8 * 1024
# The command line of a program for images, as tools print it, also as a list.
_IMAGE_TOOL = later(r"\b(?:qemu|kvm)-img['\"]?,? ['\"]?([a-z]{4,10})\b")
_FUNCTION = later(r"\b(vir[A-Z][a-z]\w{2,60})(?:\(\))? failed\b")
_FAILED = r"\b(?:fail(?:ed|ure)?|error|unable|could not)\b.{0,8}"
_DOMAIN = r"(?:libvirt )?(?:domain|guest|vm|virtual machine)\b"
_TOLD: dict[str, tuple[str, ...]] = {
    # A device of the host is named by its bus.
    "virNodeDeviceReset": (
        r"\bfailed to (?:reset|det+ach|re-?attach) device (?:pci|usb|scsi|net|mdev|ccw|css|ap)_",
    ),
    "virDomainMigrateToURI3": (r"\blive[ -]migration\b|\bmigratetouri\w*|\bmigration aborted\b",),
    "virConnectOpenAuth": (r"\b(?:re)?connect to (?:the hypervisor|libvirt)\b",),
    "virDomainCreateWithFlags": (
        r"\bprocess exited (?:prior to exec|while connecting to monitor)|\bclosed the monitor\b",
        rf"{_FAILED} start(?:ing)? {_DOMAIN}",
        r"\bvm \S{1,80} is down with error\b|\bsyncvmi failed\b",
        r"\blibxenlight failed to create\b|:\s?domcreate_\w",
    ),
    "virDomainCreateXML": (
        rf"{_FAILED} creat(?:e|ing) {_DOMAIN}",
        r"\bunable to complete install\b|\bdomain installation does not\b",
    ),
    "virDomainDefineXML": (
        rf"{_FAILED} defin(?:e|ing) {_DOMAIN}",
        r"\berror changing vm configuration\b",
    ),
    "virDomainAttachDeviceFlags": (
        r"\bfailed to attach (?:device|disk|interface)\b|\b(?:error adding|unable to add) device\b",
    ),
    "virDomainDetachDeviceFlags": (r"\bfailed to detach (?:device|disk|interface)\b",),
    "virDomainUndefineFlags": (rf"\bfailed to undefine {_DOMAIN}",),
    "virDomainRestoreFlags": (rf"\bfailed to restore {_DOMAIN}",),
    "virDomainSaveFlags": (rf"\bfailed to save {_DOMAIN}",),
}
_SAID = tuple((call, later("|".join(patterns))) for call, patterns in _TOLD.items())


_NOT_CONNECTED = later(r"\bfailed to (?:re)?connect to the hypervisor\b", re.IGNORECASE)


def call_before(text: str, operation: str) -> str:
    """The call that was under way: before anything that was asked for comes the connection."""
    if operation and _NOT_CONNECTED.search(text[:_LOOKED_AT]) is None:
        return operation
    return call_told(text)


def call_told(text: str) -> str:
    """The call that ``text`` says has failed, also in words; empty where it tells of none.

    What tools say counts as libvirt's call, whatever the hypervisor.
    """
    named = call_named(text)
    if named:
        return named
    lowered = text[:_LOOKED_AT].lower()
    return next((call for call, said in _SAID if said.search(lowered)), "")


def call_named(text: str) -> str:
    """The call whose name ``text`` holds, as a function, a task or a command; "" for none."""
    looked = text[:_LOOKED_AT]
    function = _FUNCTION.search(looked) if "vir" in looked else None
    if function is not None:
        return str(function[1])
    return call_of_image_tool(looked) or _of_task(looked) or _typed(looked)


# Before each line XAPI's log has the task that it belongs to, by the name of its call.
_TASK = later(
    r"\|(?:Async\.|dispatch:)?((?:VM|VBD|VDI|VIF|SR|PBD|PIF|Bond|VLAN|VGPU|host|pool|network)\.[a-z]\w{2,60})"
    r" [RD]:[0-9a-f]{6,32}\|"
)


def _of_task(text: str) -> str:
    task = _TASK.search(text) if "|" in text else None
    return "" if task is None else str(task[1])


# A command behind a prompt.
_TYPED = later(
    r"^(?:[^\n]{0,80}?[\]\w~)][#$>] ?|[#$] )(?:sudo )?((?:xe|xl|xm) [a-z][^\n]{1,200})",
    re.MULTILINE,
)


def _typed(text: str) -> str:
    typed = _TYPED.search(text) if " x" in text else None
    command = "" if typed is None else str(typed[1])
    call = native(command)
    return call if call != command[:200] else ""


def call_of_image_tool(text: str) -> str:
    """The call that a command line of a program for images in ``text`` makes; empty without one."""
    tool = _IMAGE_TOOL.search(text[:_LOOKED_AT]) if "-img" in text else None
    return "" if tool is None else call_of_command(f"qemu-img {tool[1]}")


# Words that tell of a command to a machine.
_OF_GUEST = later(
    r"(?:\b(?:cannot|can't|could not|couldn't|unable to|fail(?:ed|ure)? to|error|failed|while"
    r"|trying to) (?:to )?"
    r"(?:start|boot|run|stop|shut ?down|power (?:on|off)|suspend|hibernate|resume|reboot|restart"
    r"|migrat|creat|deploy|launch|spawn|clon|destroy|defin|undefin|paus|unpaus|restor|revert|reset"
    r"|import|attach|detach|terminat|quiesc|unquiesc|rescu|unrescu|shelv|unshelv|rebuild|resiz|evacuat"
    r"|snapshot|freez|thaw|kill)\w{0,4} {1,2}(?:up )?(?:the |a |an |new |your )?"
    # What kind of machine it is; a part of one or of the host is none.
    r"(?:(?!(?:pool|volume|network|disk|image|snapshot|backup|bridge|interface|connection|file"
    r"|director|template|for|of|in|on|with|from|to)\w{0,3} )[\w-]{1,20} ){0,3}"
    r"|\b(?:start|creation|migration|deployment|launch|shutdown|reboot) of (?:the )?)"
    r"(?:vms?|virtual ?machines?|domains?|instances?|guests?|vmi|machine)\b"
    r"|\b(?:run|start|host|boot) this (?:vm|virtual machine|instance|guest)\b"
    r"|\b(?:vm|virtual machine|instance|guest|domain) (?:\S{1,60} )?"
    r"(?:(?:has )?failed|refuses|is unable|was unable) to (?:start|boot|stop|resume|migrate)\b"
    r"|\b(?:vm|virtual machine|domain|instance|guest) (?:creation|start|startup|launch|migration"
    r"|deployment) (?:has |was )?(?:fail|error)"
    r"|\b(?:vmi?|virtual ?machine|instance|guest) \S{1,100} (?:has )?(?:unexpectedly )?"
    r"(?:stopped|exited|crashed|terminated)\b"
    r"|\bbuild of instance\b|(?:^|: |\dz? )"
    r"(?:(?:re)?start|launch|boot|suspend|resume|stop|shutdown) failed: "
    r"|\bcommand \w{2,30}vmi failed\b|\bmigration failed\b"
    r"|\bwait(?:ing)? for (?:the )?(?:guest|vm|virtual machine|domain|instance)\b.{0,60}?"
    r" to (?:boot|start|stop|shut ?down|come up|resume|suspend|power (?:on|off)|be \w)"
    r"|\bguest (?:initiali[sz]ation|boot|startup|shutdown)\b"
    r"|\b(?:rejected|refused|denied) by (?:the )?guest\b"
    r"|\b(?:guest|vm|virtual machine|domain|instance)\b(?: \S{1,60})?"
    r" did(?:n't| not) (?:come up|start|boot|stop|shut ?down)\b"
    r"|\b(?:vm|virtual machine) \S{1,100} is down\b"
    r"|\b(?:create|destroy|migrate|hibernate|resume|pause|reboot|reset|shutdown|hot(?:un)?plug\w{2,12})"
    r"(?:broker|vm)?vds(?:command)?\b"
    r"|\bvirtctl (?:console|vnc|start|stop|restart|migrate|(?:un)?pause)\b"
    r"|\berror (?:resiz|rebuild|rescu|(?:un)?shelv|evacuat)ing (?:server|instance)\b"
    r"|\berror during (?:un)?(?:shelve|rescue|resize|rebuild|evacuation)(?: of)?"
    r" (?:server|instance)\b"
    r"|\b(?:virtual machine|vm|instance|guest) (?:destroy|shutdown|reboot|restart|suspend|resume)"
    r" (?:has )?(?:fail|error)"
    r"|\b(?:error|failed|failure|while) moving from state \w{2,20} to (?:started|stopped|running"
    r"|paused|rebooted|restarted)\b"
    # The kinds of resources that Terraform's providers have for machines.
    r"|\b(?:libvirt_domain|proxmox_vm_qemu|proxmox_virtual_environment_vm|ovirt_vm"
    r"|openstack_compute_instance(?:_v2)?|harvester_virtualmachine)\b(?=[.\s\"'\[:])"
    r"|\blcm state is \w{1,40}_failure\b|\bvirt-launcher\b"
    r"|\bconnecting to (?:the )?(?:graphical|serial|text|vnc|spice) console\b"
    r"|\bcreation of qemu vm\b"
    r"|\bvirtual machine's /var/run/"
    # What only a machine that is being started or runs has.
    r"|\bswtpm\w{0,12}\b|\bvirtiofsd\b|\bvnet\d{1,5}\b|\bmacvtap\d{0,5}\b"
    r"|\btap (?:interface|device)\b"
    r"|\bvif_type\b|\bvirtualinterfacecreateexception\b|\b(?:grub-bhyve|bhyveload)\b"
    r"|\((?:qemu|bhyve|kvm)[\w-]{0,30}\)(?:, \w{3} \d{1,9}){0,2}: exited on signal\b"
    r"|\bpower operations?\b|\bdomain did not show up\b"
    r"|\badvisory nodeset\b|\bqemu-\d{1,6}-\S{1,80}\.(?:libvirt-qemu|scope)\b"
    r"|\bcomplete install\b|\bhook ?script error for \d"
    # Progress that a tool tells of before what failed.
    r"|(?:^|[\n>:\]] ?|\dz? )(?:starting|deploying|creating|launching|booting|migrating|stopping"
    r"|restarting|rebooting|importing|cloning|defining|destroying|resuming|suspending"
    r"|shutting down) (?:the |a |an |new |your )?(?:vms?|virtual ?machines?|domains?|instances?"
    r"|guests?)\b(?! (?:network|interface|template)s?\b)"
    # Xen's tools, where it is no pool of processors and no host that they speak of.
    r"|\bdomain (?:has )?crashed\b|\bdomain_crash(?:_sync)? called\b"
    r"|\bqrexec[- ](?:daemon|agent)\b"
    r"|\(xen\) (?:\S{1,40}:\d{1,6}:)?(?:domain \d|d\d{1,5}v?\b)"
    r"|\b(?:backend|device)/(?:vbd|vif|pci|vusb|vkbd|vfb|vtpm|console|tap2?|qdisk)/\d"
    r"|\b(?:waiting for|cannot open|unable to mount) root (?:device|fs)\b"
    r"|\blibxl_(?!cpupool|sched|psr|numa|tmem)\w{2,20}\.c:\d{1,6}:|\bxc: error: \w"
    r"|\blibxl_(?:device|domain(?!_sched)|vcpu(?!_sched)|set_vcpuonline|send_|primary)\w{0,40}"
    r" (?:failed|errored)|\bmigration (?:sender|target|child)\b"
    r"|\b(?:destroy|reboot|shutdown|core dump) failed \(rc|\bcan't rename domain\b"
    r"|\battach console\b|\bset domid \d"
)
# Words that tell of a question.
_OF_READING = later(
    r"\b(?:polling|listing|poll|list) (?:the |all )?(?:connections?|vms|virtual machines|domains"
    r"|instances|networks|pools|storage|nodes|hosts)\b"
)


def groups_told(text: str, operation: str = "") -> frozenset[str]:
    """The groups of the operation that ``text`` tells of; empty for none.

    Where ``operation`` is given and says nothing by itself, only words for it count: what a
    program was about goes before any other call that the text may name.
    """
    call = "" if operation else call_told(text)
    groups = groups_of(call) if call else UNNAMED
    if groups != UNNAMED:
        return groups
    lowered = text.lower()
    if _OF_GUEST.search(lowered) is not None:
        return UNNAMED | {"@guest"}
    return frozenset(("@read",)) if _OF_READING.search(lowered) is not None else frozenset()
