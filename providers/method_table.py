"""The extrinsic methods: one table of what is served."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.providers.jobs.invocation import Method
from virtcim.providers.jobs.job_methods import JOB_METHODS
from virtcim.providers.resource_pool_configuration.service_methods import POOL_METHODS
from virtcim.providers.virtual_system.state_change import STATE_METHODS
from virtcim.providers.virtual_system_management.service_methods import MANAGEMENT_METHODS

__all__ = ["METHODS"]

METHODS: Mapping[tuple[str, str], Method] = MappingProxyType(
    {
        (method.instance_class.name, method.name.lower()): method
        for method in (*STATE_METHODS, *MANAGEMENT_METHODS, *POOL_METHODS, *JOB_METHODS)
    }
)
