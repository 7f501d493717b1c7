"""What providers do that the interface does not forbid."""


# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"

from __future__ import annotations

import pywbem
from pywbem.cim_provider2 import CIMProvider2


class Twice(CIMProvider2):
    """Tells of the same association twice."""

    def references(self, env, object_name, model, result_class_name, role, result_role, keys_only):
        for _ in range(2):
            model["Near"] = object_name
            model["Far"] = pywbem.CIMInstanceName("Test_Far", {"Id": "x"})
            yield model


class Keeper(CIMProvider2):
    """Keeps the environment of its first request for later ones."""

    env = None

    def cim_method_ask(self, env, object_name, param_of):
        self.env = self.env or env
        handle = self.env.get_cimom_handle()
        return handle.is_subclass(object_name.namespace, sub=param_of, super="CIM_Disk"), []


def get_providers(env):
    return {"Test_Twice": Twice(), "Test_Keeper": Keeper()}
