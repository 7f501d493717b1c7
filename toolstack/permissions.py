"""Which role each call needs: what is not in this table is allowed to nobody.

The roles are those in the one scope of the toolstack. NO_ROLE: whoever is logged in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from virtcim.daemon.roles import Role
from virtcim.toolstack.datamodel import CLASSES

__all__ = ["NO_ROLE", "PERMISSIONS"]

NO_ROLE = None

_OF_ANYBODY = {
    "session": "login_with_password logout get_record get_this_host "
    "set_other_config add_to_other_config remove_from_other_config",
}
_READ = {
    "VM": "get_allowed_VBD_devices get_possible_hosts",
    "SR": "get_supported_types",
    # The one plug-in tells what the toolstack counts.
    "host": "compute_free_memory compute_memory_overhead get_servertime call_plugin",
    "event": "from inject register unregister next",
    "virtcim": "get_rows",
}
_OPERATE = {
    "VM": "start start_on pause unpause suspend resume resume_on clean_shutdown clean_reboot "
    "shutdown hard_shutdown hard_reboot",
    "task": "create destroy cancel set_status set_progress set_result set_error_info",
}
_ADMINISTER = {
    "virtcim.VM": "define modify",
    "VM": "create destroy set_name_label set_name_description set_actions_after_shutdown "
    "set_actions_after_reboot set_actions_after_crash set_actions_after_softreboot set_PV_kernel "
    "set_PV_ramdisk set_PV_args set_PV_bootloader set_PV_bootloader_args set_PV_legacy_args "
    "set_user_version set_is_a_template set_HVM_boot_policy set_recommendations set_memory "
    "set_memory_static_max set_memory_static_min set_memory_dynamic_max set_memory_dynamic_min "
    "set_memory_dynamic_range set_memory_static_range set_memory_limits set_VCPUs_max "
    "set_VCPUs_at_startup set_VCPUs_number_live",
    "VBD": "create destroy plug unplug unplug_force set_mode set_unpluggable insert eject",
    "VIF": "create destroy plug unplug unplug_force move",
    "VDI": "create destroy resize resize_online update introduce forget set_name_label "
    "set_name_description",
    "SR": "create destroy forget scan update set_name_label set_name_description",
    "PBD": "plug unplug",
    "network": "set_name_label set_name_description",
    "host": "set_name_label set_name_description",
    "pool": "set_name_label set_name_description",
}
_OF_MAPS = ("set_", "add_to_", "remove_from_")
_OF_SETS = ("set_", "add_", "remove_")
_MAPS = {
    "VM": "other_config HVM_boot_params platform VCPUs_params xenstore_data blocked_operations "
    "bios_strings",
    "VDI": "other_config xenstore_data",
    "pool": "other_config gui_config",
    **dict.fromkeys(
        ("VBD", "VIF", "SR", "PBD", "network", "host", "host_metrics", "host_cpu", "console"),
        "other_config",
    ),
}
_TAGGED = ("VM", "VDI", "SR", "network", "host", "pool")


_ALL = ("get_all", "get_all_records", "get_record", "get_by_uuid")


def _accessors() -> Iterator[tuple[str, Role | None]]:
    """What follows from the fields of the classes."""
    for record_class in CLASSES.values():
        methods = [f"get_{field}" for field in record_class.fields]
        # What can be asked of one session alone is that of whoever has it.
        if record_class.name != "session":
            methods += _ALL
            methods += ["get_by_name_label"] * record_class.labelled
        role = NO_ROLE if record_class.name == "session" else Role.READ
        for method in methods:
            yield f"{record_class.name}.{method}", role


def _calls(table: Mapping[str, str], *prefixes: str) -> Iterator[str]:
    for class_name, words in table.items():
        for word in words.split():
            yield from (f"{class_name}.{prefix}{word}" for prefix in prefixes)


PERMISSIONS: Mapping[str, Role | None] = MappingProxyType(
    {
        **dict(_accessors()),
        **dict.fromkeys(_calls(_OF_ANYBODY, ""), NO_ROLE),
        **dict.fromkeys(_calls(_READ, ""), Role.READ),
        **dict.fromkeys(_calls(_OPERATE, ""), Role.OPERATE),
        **dict.fromkeys(_calls({"task": "other_config"}, *_OF_MAPS), Role.OPERATE),
        **dict.fromkeys(_calls(_ADMINISTER, ""), Role.ADMINISTER),
        **dict.fromkeys(_calls(_MAPS, *_OF_MAPS), Role.ADMINISTER),
        **dict.fromkeys(_calls(dict.fromkeys(_TAGGED, "tags"), *_OF_SETS), Role.ADMINISTER),
    }
)
"""The role that each call needs, by its name without "Async."."""
