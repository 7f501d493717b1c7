"""Which fields of a record ``records.py`` reads: for calls that can give those alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["READ_FIELDS", "TIMES"]

#: The fields that are times.
TIMES = frozenset({"start_time"})

#: By class, for the classes that our toolstack gives rows of once it is known.
READ_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(fields.split())
        for name, fields in {
            "host_metrics": "live memory_total memory_free",
            "host_cpu": "host modelname vendor speed",
            "network": "uuid name_label name_description bridge MTU other_config managed",
            "SR": "uuid name_label name_description type content_type physical_size "
            "physical_utilisation virtual_allocation sm_config allowed_operations "
            "current_operations other_config",
            "PBD": "SR currently_attached device_config",
            "VDI": "uuid name_label virtual_size physical_utilisation location sm_config read_only "
            "SR other_config",
            "VM": "uuid name_label name_description power_state memory_static_max "
            "memory_dynamic_max VCPUs_max VCPUs_at_startup domain_type HVM_boot_policy "
            "HVM_boot_params other_config actions_after_shutdown actions_after_reboot "
            "actions_after_crash current_operations is_a_template is_a_snapshot "
            "is_control_domain is_vmss_snapshot metrics resident_on",
            "VM_metrics": "memory_actual VCPUs_number start_time other_config",
            "VBD": "uuid type userdevice bootable mode empty currently_attached device "
            "runtime_properties VM VDI",
            "VIF": "uuid device MAC MTU runtime_properties currently_attached other_config VM "
            "network",
            "console": "uuid other_config protocol location VM",
        }.items()
    }
)
