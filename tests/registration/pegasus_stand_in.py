"""OpenPegasus' programs as far as registration uses them, over pywbem's MOF compiler.

What they are not known to do they refuse; they delete no class that another needs, as OpenPegasus
does not. One of the runs can be made to fail, before it does anything or in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pywbem import CIMClass, CIMError, CIMInstance, MOFCompileError
from pywbem_mock import FakedWBEMConnection

from virtcim.registration import Command, ToolError

INTEROP = "root/PG_InterOp"
_QUALIFIERS = """
Qualifier Key : boolean = false, Scope(property, reference), Flavor(DisableOverride);
Qualifier Abstract : boolean = false, Scope(class, association, indication), Flavor(Restricted);
"""
# What of OpenPegasus' own classes is used.
_OWN_CLASSES = """
class PG_ProviderModule {
   [Key] string Name; string Vendor; string Version; string InterfaceType; string InterfaceVersion;
   string Location; uint16 UserContext; string DesignatedUserContext; string ModuleGroupName;
};
class PG_Provider { [Key] string ProviderModuleName; [Key] string Name; };
class PG_ProviderCapabilities {
   [Key] string ProviderModuleName; [Key] string ProviderName; [Key] string CapabilityID;
   uint16 ProviderType[]; string ClassName; string Namespaces[];
   string SupportedProperties[]; string SupportedMethods[];
};
"""
_REGISTRATION = ("PG_ProviderCapabilities", "PG_Provider", "PG_ProviderModule")


class StandInPegasus:
    """The server and its programs; ``commands`` are those that were run."""

    def __init__(self, mof: str = "") -> None:
        self._server = FakedWBEMConnection(default_namespace=INTEROP)
        self._server.add_namespace("root")
        self._server.compile_mof_string(_QUALIFIERS + _OWN_CLASSES + mof, namespace=INTEROP)
        self._stopped: set[str] = set()
        self.commands: list[tuple[str, ...]] = []
        self.fails: Callable[[tuple[str, ...]], bool] = lambda _words: False
        self.in_the_middle = False

    def run(self, command: Command) -> str:
        """Run a command of the plan. Raises ToolError as the programs fail."""
        words = command.words
        self.commands.append(words)
        fails = self.fails(words)
        if fails and not self.in_the_middle:
            raise ToolError(words, 1, "made to fail")
        try:
            printed = self._run(words)
        except (CIMError, MOFCompileError) as error:
            code = getattr(error, "status_code_name", "")
            if any(text in code for text in command.absent):
                return ""
            raise ToolError(words, 1, f"{code}: {error}") from error
        except _RefusedError as error:
            if any(text in str(error) for text in command.absent):
                return ""
            raise ToolError(words, 1, str(error)) from error
        if fails:
            raise ToolError(words, 1, "made to fail in the middle")
        return printed

    def contents(self) -> dict[str, object]:
        """All that there is: classes and qualifiers by namespace, and what is registered."""
        found: dict[str, object] = {
            namespace: (
                {one.classname: one.tomof() for one in self._classes(namespace)},
                self.qualifiers(namespace),
            )
            for namespace in self._server.namespaces
        }
        found["registered"] = sorted(
            each.tomof() for name in _REGISTRATION for each in self._instances(name)
        )
        found["stopped"] = sorted(self._stopped)
        return found

    def group(self, name: str) -> None:
        """What an administrator does with `cimprovider -g`."""
        for each in self._instances("PG_ProviderModule"):
            each["ModuleGroupName"] = name
            self._server.ModifyInstance(each)

    def start_modules(self) -> None:
        """What an administrator does with `cimprovider -e` for what was stopped."""
        self._stopped.clear()

    def classes(self, namespace: str) -> list[str]:
        """The names of the classes of a namespace."""
        return [one.classname for one in self._classes(namespace)]

    def qualifiers(self, namespace: str) -> list[str]:
        """The names of the qualifiers of a namespace."""
        return sorted(each.name for each in self._server.EnumerateQualifiers(namespace))

    def compile(self, namespace: str, mof: str) -> None:
        """What somebody else compiles."""
        if namespace not in self._server.namespaces:
            self._server.add_namespace(namespace)
        self._server.compile_mof_string(mof, namespace=namespace)

    def _run(self, words: tuple[str, ...]) -> str:
        program, *rest = words
        match Path(program).name, rest:
            case "cimmof", [*options, "-n", namespace, path] if set(options) <= {"-aE"}:
                self._compile_new(namespace, Path(path).read_text(encoding="utf-8"))
                return ""
            case "cimcli", [operation, "-n", namespace, *given]:
                return self._cimcli(operation, namespace, given)
            case "cimprovider", ["-d" | "-e" as switch, "-m", module]:
                self._module(module)
                change = self._stopped.add if switch == "-d" else self._stopped.discard
                change(module)
                return ""
            case "cimprovider", ["-r", "-m", module]:
                self._module(module)
                for name in _REGISTRATION:
                    for each in self._instances(name):
                        if module in each.path.keybindings.values():
                            self._server.DeleteInstance(each.path)
                self._stopped.discard(module)
                return ""
        raise AssertionError(f"a command that nobody expects: {words}")

    def _module(self, name: str) -> None:
        if not any(each["Name"] == name for each in self._instances("PG_ProviderModule")):
            raise _RefusedError("Specified provider module was not registered.")

    def _compile_new(self, namespace: str, mof: str) -> None:
        """Compile; a class that is there already is passed over with a warning, as cimmof does."""
        if namespace not in self._server.namespaces:
            self._server.add_namespace(namespace)
        known = {one.classname.lower() for one in self._classes(namespace)}
        parts = re.split(r"(?m)^(?=   \[|Qualifier |instance of )", mof)
        wanted = [
            part
            for part in parts
            if not (found := re.search(r"(?m)^class (\w+)", part)) or found[1].lower() not in known
        ]
        self._server.compile_mof_string("".join(wanted), namespace=namespace)

    def _cimcli(self, operation: str, namespace: str, given: list[str]) -> str:
        if namespace not in self._server.namespaces:
            raise _RefusedError(f"CIM_ERR_INVALID_NAMESPACE: {namespace}")
        match operation, given:
            case "nc", []:
                return "\n".join(self._server.EnumerateClassNames(namespace))
            case "gc", [name]:
                return str(self._server.GetClass(name, namespace).tomof())
            case "ec", ["-di", "-nlo", "-ic", "-o", "xml"]:
                return "\n".join(one.tocimxmlstr(indent=4) for one in self._classes(namespace))
            case "eq", ["-o", "xml"]:
                found = self._server.EnumerateQualifiers(namespace)
                return "\n".join(one.tocimxmlstr(indent=4) for one in found)
            case "ei", [name, "-o", "xml"]:
                return "".join(
                    f"path= {one.path}\n{_without_path(one)}\n" for one in self._instances(name)
                )
            case "dc", [name]:
                self._delete_class(namespace, name)
                return ""
            case "dq", [name]:
                self._server.DeleteQualifier(name, namespace)
                return ""
            case "di", [path] if found := re.fullmatch(r'__Namespace\.Name="([^"]+)"', path):
                self._delete_namespace(f"{namespace}/{found[1]}")
                return ""
        raise AssertionError(f"an operation that nobody expects: {operation} {given}")

    def _delete_class(self, namespace: str, name: str) -> None:
        classes = self._classes(namespace)
        mine = [one for one in classes if one.classname.lower() == name.lower()]
        for one in mine:
            known = {each.classname.lower() for each in classes}
            ends = {
                each.reference_class.lower()
                for each in one.properties.values()
                if each.reference_class
            }
            if not ends <= known:
                raise _RefusedError(f"CIM_ERR_INVALID_PARAMETER: {ends - known}")
        self._server.DeleteClass(name, namespace)

    def _delete_namespace(self, namespace: str) -> None:
        if namespace not in self._server.namespaces:
            raise _RefusedError(f"CIM_ERR_INVALID_NAMESPACE: {namespace}")
        if self._classes(namespace) or self._server.EnumerateQualifiers(namespace):
            raise _RefusedError(f"The namespace is not empty: {namespace}")
        self._server.remove_namespace(namespace)

    def _classes(self, namespace: str) -> list[CIMClass]:
        store = self._server.cimrepository.get_class_store(namespace)
        return [*store.iter_values(copy=False)]

    def _instances(self, class_name: str) -> list[CIMInstance]:
        return [
            self._server.GetInstance(path)
            for path in self._server.EnumerateInstanceNames(class_name, INTEROP)
        ]


class _RefusedError(Exception):
    """What a program of OpenPegasus prints when it does not do something."""


def _without_path(one: CIMInstance) -> str:
    copy = one.copy()
    copy.path = None
    return str(copy.tocimxmlstr(indent=4))
