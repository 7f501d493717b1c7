"""What kind of management call an operation is, by its native name.

Names come as the sources write them: ``VM.start`` and ``Async.VM.start`` (XenAPI),
``xend.domain.pause`` (xend), ``virDomainCreate`` (libvirt), ``blockdev-add`` (QMP), and
``(start)``, ``(event)``, ``(malformed)`` for what has no call. What a command line tool was asked
for counts as the call that it makes.
"""

from __future__ import annotations

from functools import lru_cache

from virtcim.errormap.command_lines import call_of_command
from virtcim.errormap.patterns import later

__all__ = ["GROUPS", "PATTERNS", "UNNAMED", "changes_state", "groups_of", "native"]

# Every pattern is matched against the whole name without "Async.".
PATTERNS: dict[str, str] = {
    "read": (
        r"(?:list|get|show|describe|query)[A-Z]\w+|(?:\w+)\.(?:get|list|read|show|info|describe|get_\w+|assert_\w+|query_\w+|list_\w+|compute_\w+|retrieve_wlb_\w+"
        r"|maximise_memory|has_extension)"
        r"|session\.(?:login_with_password|login|logout|local_logout"
        r"|slave_\w+|local_\w*login\w*)"
        r"|event\.(?:from|next|register|unregister)|connect"
        r"|system\.\w+"
        r"|xend\.domains?|xend\.domains_with_state|xend\.cpu_pool\.list"
        r"|xend\.domain\.(?:get\w+|lookup\w*|\w+_get)"
        r"|xend\.node\.(?:info|log|pciinfo|dmesg\.info|tmem_list|tmem_query_freeable_mb)"
        r"|xend\.security\.(?:get\w*|list_labels|on)"
        r"|vir[A-Z]\w*?(?:Get|Lookup|List|NumOf|Is(?:Active|Alive|Persistent|Updated|Encrypted"
        r"|Secure)|Has\w+|Peek|Ref\b|Free\b)\w*|vir(?:Connect(?:Open|Close|Baseline|Compare|Domain"
        r"XML|Find|RegisterClose|DomainEvent|NetworkEvent|StoragePoolEvent)|Event)\w*"
        r"|virDomain(?:\w*Stats\w*|SnapshotCurrent|SnapshotNum|Screenshot|State\w*)"
        r"|query-[\w-]+|qom-(?:get|list[\w-]*)|device-list-properties|screendump|qmp_capabilities"
    ),
    "state": (
        r"VM\.get_power_state|virDomain(?:GetState|GetInfo|IsActive|GetControlInfo)"
        r"|query-status|xend\.domain\.(?:getState|state_get)"
    ),
    "connect": r"session\.\w*login\w*|virConnectOpen\w*|connect|qmp_capabilities",
    "guest": (
        r"(?:VM|VM_\w+|VBD|VBD_\w+|VIF|VIF_\w+|VGPU|VUSB|VTPM|VMPP|VMSS|VM_group|console|PCI)\.\w+"
        r"|xend\.domains?(?:\.\w+)?"
        r"|virDomain\w+"
        r"|\((?:start|restart|reboot|run|event|running|stop|shutdown|suspend|resume)\)"
        # Managers: startVirtualMachine, SyncVMI, POST /nodes/pve/qemu/100/status/start.
        r"|(?i:(?:deploy|start|stop|reboot|create|destroy|delete|migrate|run|launch|spawn|clone|import"
        r"|export|restore|suspend|resume|pause|unpause|sync|update|scale|shutdown|power|boot|rebuild"
        r"|resize|hibernate|attach|detach|expunge|recover)[\w-]{0,12}?[_-]?"
        r"(?:vms?|vmi|virtual_?machines?|instances?|domain|guest)(?:[A-Z_-]\w{0,40})?)"
        r"|(?:Start|Stop|Reboot|Migrate|PrepareForMigration)(?:Vm\w{0,20})?Command"
        r"|(?:(?:POST|PUT|DELETE|PATCH) )?/?(?:[\w.-]+/){0,8}"
        r"(?:qemu|vms?|instances|virtualmachine(?:instance)?s?|servers|domains)/[\w./-]+"
    ),
    "qmp": r"(?!block|nbd-|transaction|query-|qemu-(?:img|nbd|io|storage-daemon)$)[a-z][a-z_-]+",
    "request": (
        r"virDomain(?:Define\w*|CreateXML\w*|Attach\w*|Update\w*|Detach\w*|Set\w*|Pin\w*|Add\w*|Del\w*"
        r"|BlockResize|BlockSetI\w*|Rename|SnapshotCreate\w*|CheckpointCreate\w*|BackupBegin"
        r"|SaveImageDefine\w*|Open\w*|Send\w*|Inject\w*|Authorized\w*|GraphicsReload|FSFreeze)"
        r"|vir(?:Network|StoragePool|StorageVol|NWFilter\w*|Interface|Secret|NodeDevice)"
        r"(?:Define\w*|Create\w*XML\w*|Update\w*|Set\w*|PortCreate\w*)"
        r"|virConnect(?:DomainXML\w*|CompareCPU|BaselineCPU|CompareHypervisorCPU|BaselineHypervisorCPU"
        r"|FindStoragePoolSources)"
        r"|virNodeSet\w*|virAdm\w+Set\w*"
    ),
    "snapshot": (
        r"\w+\.(?:snapshot\w*|checkpoint|revert|clone)"
        r"|virDomain(?:Snapshot|RevertTo|Checkpoint|Backup)\w*"
        r"|snapshot-\w+|blockdev-snapshot[\w-]*|savevm|loadvm|delvm|drive-backup|blockdev-backup"
        r"|xend\.domain\.snapshot\w*"
    ),
    "disk_make": (
        r"VDI\.(?:create|clone|resize\w*)"
        r"|virStorageVol(?:Create|Resize)\w*|virDomainBlockResize"
        r"|blockdev-create|block_resize"
    ),
    "copy": (
        r"VDI\.(?:copy|pool_migrate|data_import\w*|export\w*|import\w*)"
        r"|VM\.(?:copy|export\w*|import\w*)|VDI\.mirror\w*"
        r"|virStorageVol(?:Upload|Download)|virDomainBlock(?:Copy|Pull|Commit|Rebase)|virDomainSave\w*"
        r"|virDomainCoreDump\w*|drive-mirror|blockdev-mirror|block-stream|block-commit"
        r"|xend\.domain\.(?:save|dump)"
    ),
    "migrate": (
        r"VM\.(?:pool_migrate\w*|migrate(?:_send)?|assert_can_migrate\w*)|host\.(?:evacuate|migrate_receive)"
        r"|virDomainMigrate\w*|migrate(?:[-_][\w-]+)?|xend\.domain\.migrate"
    ),
    "boot": (
        r"VM\.(?:start|start_on|resume|resume_on|power_state_reset|hard_reboot|clean_reboot|provision"
        r"|revert|checkpoint)"
        r"|xend\.domain\.(?:create|create_from_dict|start|restore|restore_fd|resume|new)"
        r"|virDomain(?:Create|Restore|RevertTo)\w*|virDomainMigrate\w*|\((?:start|restart|reboot|run)\)"
    ),
    "host": r"(?:host|pool|Host|Cluster|Cluster_host)\.\w+",
}

# Xen Orchestra's and xe's names for the calls of the XenAPI: vm.start, vm-start. QMP has commands
# that begin like one of them.
_TOOL = later(
    r"(?:xe )?(vm|vbd|vdi|disk|vif|sr|pbd|host|pool|snapshot(?!-(?:save|load|delete)\b))"
    r"[.-]([a-z][\w-]{0,60})(?: [^\n]{0,200})?"
)
_CLASSES = {"disk": "VDI", "snapshot": "VM", "host": "host", "pool": "pool"}
_CAPITAL = later(r"(?<=[a-z])(?=[A-Z])")

# The group of every call that is not known only to read.
_CHANGE = "change"
_QMP = "qmp"
_COMPILED = {name: later(pattern) for name, pattern in PATTERNS.items()}

GROUPS = frozenset(f"@{name}" for name in (*PATTERNS, _CHANGE))


@lru_cache(maxsize=4096)
def native(operation: str) -> str:
    """The source's own name of a call, without "Async.": ``VM.start`` for xe's ``vm-start``."""
    bare = operation.removeprefix("Async.")[:200]
    tool = _TOOL.fullmatch(bare)
    if tool is None:
        return call_of_command(bare) or bare
    method = _CAPITAL.sub("_", tool[2]).replace("-", "_").lower()
    return f"{_CLASSES.get(tool[1], tool[1].upper())}.{method}"


@lru_cache(maxsize=4096)
def groups_of(operation: str, source: str = "") -> frozenset[str]:
    """The groups that ``operation`` belongs to, as tables name them: ``@boot``, ``@change``.

    A single word in lower case is a command of QMP only where ``source`` is QEMU.
    """
    if not operation:
        # No pattern matches nothing: they need not be compiled to find that out.
        return frozenset((f"@{_CHANGE}",))
    bare = native(operation)
    found = {name for name, pattern in _COMPILED.items() if pattern.fullmatch(bare)}
    if _QMP in found:
        found.discard(_QMP)
        if source == "qemu":
            found |= {_QMP, "guest"}
    if "read" not in found:
        found.add(_CHANGE)
    return frozenset(f"@{name}" for name in found)


# The groups of a call of which nothing is known.
UNNAMED = frozenset((f"@{_CHANGE}",))


def changes_state(operation: str) -> bool:
    """Whether ``operation`` may change something: true unless it is known only to read."""
    return f"@{_CHANGE}" in groups_of(operation)
