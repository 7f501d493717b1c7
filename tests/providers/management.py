"""How the management service is asked, and how settings are written."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from virtcim.providers import MethodResult, ObjectPath, Providers, Record

__all__ = ["NAMED", "RASD", "SERVICE", "VSSD", "define", "mof", "rasd", "xml"]

SERVICE = ObjectPath("VirtCIM_VirtualSystemManagementService", namespace="root/virt")
VSSD = "VirtCIM_VirtualSystemSettingData"
RASD = "CIM_ResourceAllocationSettingData"
NAMED = {"ElementName": "new"}


def define(
    providers: Providers, system: object, resources: object = None, **more: object
) -> MethodResult:
    parameters = {"SystemSettings": system, "ResourceSettings": resources, **more}
    return providers.invoke_method(SERVICE, "DefineSystem", parameters)  # type: ignore[arg-type]


def rasd(**values: object) -> Record:
    return Record(RASD, values)  # type: ignore[arg-type]


def xml(record: Record) -> str:
    """A record as CIM-XML text, in the form of pywbem and of hand-made requests."""
    parts = [f"<INSTANCE CLASSNAME={quoteattr(record.class_name)}>"]
    for name, value in record.values.items():
        items = value if isinstance(value, list) else [value]
        kind = (
            "boolean"
            if isinstance(items[0], bool)
            else "uint64"
            if isinstance(items[0], int)
            else "string"
        )
        texts = "".join(f"<VALUE>{escape(str(item))}</VALUE>" for item in items)
        if value is None:
            parts.append(f'<PROPERTY NAME="{name}" TYPE="string"/>')
        elif isinstance(value, list):
            parts.append(
                f'<PROPERTY.ARRAY NAME="{name}" TYPE="{kind}">'
                f"<VALUE.ARRAY>{texts}</VALUE.ARRAY></PROPERTY.ARRAY>"
            )
        else:
            parts.append(f'<PROPERTY NAME="{name}" TYPE="{kind}">{texts}</PROPERTY>')
    return "".join(parts) + "</INSTANCE>"


def mof(record: Record) -> str:
    """A record as MOF text."""

    def literal(value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, list):
            return "{" + ", ".join(map(literal, value)) + "}"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int):
            return str(value)
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = [f"  {name} = {literal(value)};" for name, value in record.values.items()]
    return f"instance of {record.class_name} {{\n" + "\n".join(lines) + "\n};"
