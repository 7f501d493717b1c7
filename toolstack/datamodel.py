"""The classes that are served, their fields and the types of these (XenAPI data model 2.21).

The fields stand in groups by type; ``record`` fills what libvirt has nothing for with the type's
empty value, so that a record always has all its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from virtcim.toolstack.refs import NULL

__all__ = ["CLASSES", "EPOCH", "Record", "RecordClass"]

Record = dict[str, Any]

# XenAPI has no null: this is its "never".
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EMPTY: Mapping[str, object] = {
    "string": "",
    "int": "0",
    "bool": False,
    "float": 0.0,
    "datetime": EPOCH,
    "ref": NULL,
    "set": [],
    "map": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordClass:
    """One class: ``fields`` gives the type of each field by name, ``labelled`` is name_label."""

    name: str
    fields: Mapping[str, str]
    empty: Mapping[str, object]
    integers: tuple[str, ...] = ()
    # Tasks and sessions live in this process: they are there while libvirt is not.
    needs_libvirt: bool = True

    @property
    def labelled(self) -> bool:
        """Whether ``get_by_name_label`` exists."""
        return "name_label" in self.fields

    def record(self, values: Mapping[str, object]) -> Record:
        """Give a complete record for the wire; integers become decimal strings."""
        record: Record = {**self.empty, **values}
        if len(record) != len(self.empty):
            raise KeyError(*(record.keys() - self.empty.keys()))
        for name in self.integers:
            if name in values:
                record[name] = str(values[name])
        return record


def _define(name: str, *, needs_libvirt: bool = True, **groups: str) -> RecordClass:
    fields = {field: kind for kind, names in groups.items() for field in names.split()}
    empty = {field: _EMPTY[kind] for field, kind in fields.items()}
    return RecordClass(
        name=name,
        fields=fields,
        empty=empty,
        integers=tuple(groups.get("int", "").split()),
        needs_libvirt=needs_libvirt,
    )


_DEFINED = (
    _define(
        "VM",
        string="uuid name_label name_description power_state actions_after_softreboot "
        "actions_after_shutdown actions_after_reboot actions_after_crash PV_bootloader PV_kernel "
        "PV_ramdisk PV_args PV_bootloader_args PV_legacy_args HVM_boot_policy domarch "
        "last_booted_record recommendations ha_restart_priority transportable_snapshot_id "
        "snapshot_metadata generation_id reference_label domain_type",
        int="user_version memory_overhead memory_target memory_static_max memory_dynamic_max "
        "memory_dynamic_min memory_static_min VCPUs_max VCPUs_at_startup domid start_delay "
        "shutdown_delay order version hardware_platform_version",
        bool="is_a_template is_default_template is_control_domain is_a_snapshot is_vmss_snapshot "
        "has_vendor_device requires_reboot",
        float="HVM_shadow_multiplier",
        datetime="snapshot_time",
        ref="suspend_VDI resident_on scheduled_to_be_resident_on affinity metrics guest_metrics "
        "snapshot_of parent appliance suspend_SR snapshot_schedule",
        set="allowed_operations consoles VIFs VBDs VUSBs crash_dumps VTPMs snapshots tags children "
        "VGPUs attached_PCIs pending_guidances",
        map="current_operations VCPUs_params HVM_boot_params platform other_config "
        "last_boot_CPU_flags xenstore_data blobs blocked_operations snapshot_info bios_strings "
        "NVRAM",
    ),
    _define(
        "VM_metrics",
        string="uuid current_domain_type",
        int="memory_actual VCPUs_number",
        bool="hvm nested_virt nomigrate",
        datetime="start_time install_time last_updated",
        set="state",
        map="VCPUs_CPU VCPUs_params VCPUs_flags other_config",
    ),
    # No guest agent is asked: there are none of these, which clients may rightly want to know.
    _define(
        "VM_guest_metrics",
        string="uuid can_use_hotplug_vbd can_use_hotplug_vif",
        bool="PV_drivers_up_to_date PV_drivers_detected live",
        datetime="last_updated",
        map="os_version PV_drivers_version memory disks networks other other_config",
    ),
    _define(
        "VBD",
        string="uuid device userdevice mode type status_detail qos_algorithm_type",
        int="status_code",
        bool="bootable unpluggable storage_lock empty currently_attached",
        ref="VM VDI metrics",
        set="allowed_operations qos_supported_algorithms",
        map="current_operations other_config runtime_properties qos_algorithm_params",
    ),
    _define(
        "VIF",
        string="uuid device MAC status_detail qos_algorithm_type locking_mode "
        "ipv4_configuration_mode ipv4_gateway ipv6_configuration_mode ipv6_gateway",
        int="MTU status_code",
        bool="MAC_autogenerated currently_attached",
        ref="network VM metrics",
        set="allowed_operations qos_supported_algorithms ipv4_allowed ipv6_allowed ipv4_addresses "
        "ipv6_addresses",
        map="current_operations other_config runtime_properties qos_algorithm_params",
    ),
    _define(
        "VDI",
        string="uuid name_label name_description type location on_boot",
        int="virtual_size physical_utilisation",
        bool="sharable read_only storage_lock managed missing is_a_snapshot allow_caching "
        "metadata_latest is_tools_iso cbt_enabled",
        datetime="snapshot_time",
        ref="SR parent snapshot_of metadata_of_pool",
        set="allowed_operations VBDs crash_dumps snapshots tags",
        map="current_operations other_config xenstore_data sm_config",
    ),
    _define(
        "SR",
        string="uuid name_label name_description type content_type",
        int="virtual_allocation physical_utilisation physical_size",
        bool="shared local_cache_enabled clustered is_tools_sr",
        ref="introduced_by",
        set="allowed_operations VDIs PBDs tags",
        map="current_operations other_config sm_config blobs",
    ),
    _define(
        "PBD",
        string="uuid",
        bool="currently_attached",
        ref="host SR",
        map="device_config other_config",
    ),
    _define(
        "network",
        string="uuid name_label name_description bridge default_locking_mode",
        int="MTU",
        bool="managed",
        set="allowed_operations VIFs PIFs tags purpose",
        map="current_operations other_config blobs assigned_ips",
    ),
    _define(
        "host",
        string="uuid name_label name_description API_version_vendor sched_policy hostname address "
        "external_auth_type external_auth_service_name edition power_on_mode display iscsi_iqn",
        int="memory_overhead API_version_major API_version_minor",
        bool="enabled multipathing tls_verification_enabled",
        ref="suspend_image_sr crash_dump_sr metrics local_cache_sr control_domain",
        set="allowed_operations capabilities supported_bootloaders resident_VMs PIFs crashdumps "
        "updates PBDs host_CPUs ha_statefiles ha_network_peers tags PCIs PGPUs PUSBs "
        "virtual_hardware_platform_versions updates_requiring_reboot features certificates "
        "editions pending_guidances",
        map="current_operations API_version_vendor_implementation software_version other_config "
        "cpu_configuration logging cpu_info license_params license_server blobs bios_strings "
        "external_auth_configuration power_on_config chipset_info guest_VCPUs_params",
    ),
    _define(
        "host_metrics",
        string="uuid",
        int="memory_total memory_free",
        bool="live",
        datetime="last_updated",
        map="other_config",
    ),
    _define(
        "host_cpu",
        string="uuid vendor modelname stepping flags features",
        int="number speed family model",
        float="utilisation",
        ref="host",
        map="other_config",
    ),
    _define("console", string="uuid protocol location", ref="VM", map="other_config"),
    _define(
        "pool",
        string="uuid name_label name_description wlb_url wlb_username ha_cluster_stack "
        "repository_proxy_url repository_proxy_username client_certificate_auth_name "
        "uefi_certificates",
        int="ha_host_failures_to_tolerate ha_plan_exists_for",
        bool="ha_enabled ha_allow_overcommit ha_overcommitted wlb_enabled redo_log_enabled "
        "policy_no_vendor_device live_patching_disabled igmp_snooping_enabled is_psr_pending "
        "tls_verification_enabled client_certificate_auth_enabled coordinator_bias",
        ref="master default_SR suspend_image_SR crash_dump_SR redo_log_vdi "
        "repository_proxy_password",
        set="allowed_operations ha_statefiles tags metadata_VDIs repositories",
        map="current_operations other_config ha_configuration blobs gui_config "
        "health_check_config restrictions guest_agent_config cpu_info",
    ),
    _define(
        "task",
        needs_libvirt=False,
        string="uuid name_label name_description status type result backtrace",
        float="progress",
        datetime="created finished",
        ref="resident_on subtask_of",
        set="allowed_operations error_info subtasks",
        map="current_operations other_config",
    ),
    _define(
        "session",
        needs_libvirt=False,
        string="uuid auth_user_sid auth_user_name originator",
        bool="pool is_local_superuser client_certificate",
        datetime="last_active validation_time",
        ref="this_host this_user subject parent",
        set="tasks rbac_permissions",
        map="other_config",
    ),
)

CLASSES: Mapping[str, RecordClass] = {defined.name: defined for defined in _DEFINED}
