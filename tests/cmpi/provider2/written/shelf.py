"""Disks on a shelf: providers of each kind, written as the interface's documentation says."""


# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"

from __future__ import annotations

import pywbem
from pywbem.cim_provider2 import CIMProvider2  # type: ignore[import-not-found]

_SHELF = "shelf ä"
_NOTES = {
    "Text": 'grün "日本" \U0001f600 & <x>',
    "Small": pywbem.Uint8(255),
    "Low": pywbem.Sint64(-(2**63)),
    "High": pywbem.Uint64(2**64 - 1),
    "Real": pywbem.Real32(1.5),
    "Yes": True,
    "Letter": pywbem.CIMProperty("Letter", "ü", "char16"),
    "Made": pywbem.CIMDateTime("20261130120001.000025+060"),
    "Roughly": pywbem.CIMDateTime("20261130******.******+060"),
    "Texts": ["", "zwei"],
    "Numbers": [pywbem.Uint16(1), None, pywbem.Uint16(3)],
    "Empty": pywbem.CIMProperty("Empty", [], "uint32", is_array=True),
    "Nothing": pywbem.CIMProperty("Nothing", None, "datetime"),
    "NoTexts": pywbem.CIMProperty("NoTexts", None, "string", is_array=True),
}


class Disks(CIMProvider2):
    """Disks that are made, changed and removed."""

    def __init__(self, env):
        self.sizes = {1: pywbem.Uint64(10), 2: pywbem.Uint64(20)}
        self.labels = {}
        env.get_logger().log_info("disks are there")

    def get_instance(self, env, model):
        number = int(model["Number"])
        if number not in self.sizes:
            return None
        if number == 7:
            raise RuntimeError("a bug")
        model["Size"] = self.sizes[number]
        model["Label"] = self.labels.get(number, f"disk {number}")
        return model

    def enum_instances(self, env, model, keys_only):
        model.path.update({"Number": None})
        for number in sorted(self.sizes):
            model["Number"] = pywbem.Uint32(number)
            if keys_only:
                yield model
            else:
                yield self.get_instance(env, model)

    def set_instance(self, env, instance, modify_existing):
        number = int(instance["Number"])
        if modify_existing and number not in self.sizes:
            raise pywbem.CIMError(pywbem.CIM_ERR_NOT_FOUND, f"no disk {number}: nö")
        if not modify_existing and number in self.sizes:
            raise pywbem.CIMError(pywbem.CIM_ERR_ALREADY_EXISTS)
        self.sizes.setdefault(number, pywbem.Uint64(0))
        if "Size" in instance:
            self.sizes[number] = instance["Size"]
        if "Label" in instance:
            self.labels[number] = instance["Label"]
        instance.path = pywbem.CIMInstanceName(
            "Test_Disk", {"Number": pywbem.Uint32(number)}, namespace=instance.path.namespace
        )
        return instance

    def delete_instance(self, env, instance_name):
        if self.sizes.pop(int(instance_name["Number"]), None) is None:
            raise pywbem.CIMError(pywbem.CIM_ERR_NOT_FOUND, "no such disk")

    def cim_method_resize(self, env, object_name, param_size, param_unit=None):
        if not isinstance(object_name, pywbem.CIMInstanceName):
            raise pywbem.CIMError(pywbem.CIM_ERR_INVALID_PARAMETER, "which disk?")
        before = self.sizes[int(object_name["Number"])]
        self.sizes[int(object_name["Number"])] = param_size
        output = [
            pywbem.CIMParameter("before", "uint64", value=before),
            pywbem.CIMParameter("unit", "string", value=param_unit),
            pywbem.CIMParameter("who", "string", value=env.get_user_name()),
        ]
        return pywbem.Uint32(0), output

    def cim_method_echo(self, env, object_name, method, **given):
        """The older form: it is told which method it is, and gives a dictionary."""
        output = {name[len("param_") :]: value for name, value in given.items()}
        types = [f"{name}: {type(value).__name__}" for name, value in sorted(output.items())]
        output["types"] = types
        output["on"] = type(object_name).__name__
        return method.name, output

    def cim_method_describe(self, env, object_name, param_disk):
        size = env.get_cimom_handle().GetInstance(param_disk, PropertyList=["Size"])["Size"]
        inside = pywbem.CIMInstance("Test_Note", {"Text": "inside", "Size": size})
        note = pywbem.CIMInstance("Test_Note", {"Inside": inside, "Disk": param_disk})
        return 0, {"note": note, "notes": [inside, inside]}

    def cim_method_upcall(self, env, object_name, param_class):
        handle = env.get_cimom_handle()
        names = handle.EnumerateInstanceNames(object_name.namespace, param_class)
        return pywbem.Uint32(len(list(names))), []

    def cim_method_ancestors(self, env, object_name, param_of):
        handle = env.get_cimom_handle()
        return handle.is_subclass(object_name.namespace, sub=param_of, super="CIM_Disk"), []


class Notes(CIMProvider2):
    """One instance with a value of every kind."""

    def get_instance(self, env, model):
        for name, value in _NOTES.items():
            model[name] = value
        model["Inside"] = pywbem.CIMInstance(
            "Test_Note", {"Text": "inside", "Small": pywbem.Uint8(1)}
        )
        model["Both"] = [pywbem.CIMInstance("Test_Note", {"Text": f"{one}"}) for one in (1, 2)]
        return model


class Shelves(CIMProvider2):
    """The shelf that the disks are on."""

    def get_instance(self, env, model):
        return model if model["Name"] == _SHELF else None

    def enum_instances(self, env, model, keys_only):
        model.path.update({"Name": None})
        model["Name"] = _SHELF
        yield model


class DisksOnShelves(CIMProvider2):
    """Every disk is on the shelf, and on one that is gone."""

    def __init__(self, disks):
        self.disks = disks

    def enum_instances(self, env, model, keys_only):
        model.path.update({"Disk": None, "Shelf": None})
        place = model.path.namespace
        for shelf in (_SHELF, "gone"):
            for number in sorted(self.disks.sizes):
                model["Disk"] = pywbem.CIMInstanceName(
                    "Test_Disk", {"Number": pywbem.Uint32(number)}, namespace=place
                )
                model["Shelf"] = pywbem.CIMInstanceName("Test_Shelf", {"Name": shelf})
                model["Since"] = pywbem.CIMDateTime("20260101000000.000000+000")
                yield model

    def references(self, env, object_name, model, result_class_name, role, result_role, keys_only):
        handle = env.get_cimom_handle()
        if any(
            handle.is_subclass(object_name.namespace, sub=object_name.classname, super=one)
            for one in ("CIM_Disk", "CIM_Shelf")
        ):
            return self.simple_refs(
                env, object_name, model, result_class_name, role, result_role, keys_only
            )
        return None


def get_providers(env):
    disks = Disks(env)
    return {
        "TEST_DISK": disks,
        "Test_Shelf": Shelves(),
        "Test_DiskOnShelf": DisksOnShelves(disks),
        "Test_Note": Notes(),
    }
