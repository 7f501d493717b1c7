"""The steps of the demonstration: a request by the real wbemcli, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from wbemcli_client import Answer, Instance, WbemcliClient

__all__ = [
    "GUEST_BYTES",
    "NAMESPACE",
    "Show",
    "Stage",
    "UnexpectedResultError",
    "show_definition",
    "show_fault",
    "show_resource_pools",
    "show_state_change",
    "show_virtual_systems",
]

NAMESPACE = "root/virt"
GUEST_BYTES = 64 << 20


class UnexpectedResultError(RuntimeError):
    """A step did not give what it must; the message says what was expected and what came."""


class Show:
    """What the spectator sees: coloured on a terminal, plain text in a pipe."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self._steps = 0

    def step(self, title: str, explanation: str) -> None:
        """Begin a step."""
        self._steps += 1
        self._console.print(f"\n[bold cyan]{self._steps}. {escape(title)}[/]")
        self._console.print(f"   {escape(explanation)}")

    def progress(self, text: str) -> None:
        """Tell what is being waited for."""
        self._console.print(f"[dim]-- {escape(text)}[/]")

    def command(self, answer: Answer) -> None:
        """Show a command as it would be typed."""
        self._console.print(f"   [green]$ {escape(answer.command)}[/]")

    def line(self, text: str) -> None:
        """Show one line of a result."""
        self._console.print(f"   {escape(text)}")

    def good(self, text: str) -> None:
        """Say that a step gave what it must."""
        self._console.print(f"   [bold green]ok:[/] {escape(text)}")

    def bad(self, text: str) -> None:
        """Say that a step did not."""
        self._console.print(f"   [bold red]FAILED:[/] {escape(text)}")


class Stage:
    """A running CIM server, and the console's requests to it."""

    def __init__(self, show: Show, url: str, directory: Path) -> None:
        self.show = show
        self.url = url
        # `virtcim serve` made its first user, as it does where it finds none.
        self.user = "virtcim"
        self.password_file = directory / "serve" / "users.password"
        self._wbemcli = WbemcliClient(
            url,
            namespace=NAMESPACE,
            user=self.user,
            password=self.password_file.read_text().strip(),
        )

    def read(self, operation: str, target: str, *properties: str) -> list[Instance]:
        """Read instances, with these properties only; shows the command."""
        answer = self._wbemcli.run(operation, target, ",".join(properties))
        self.show.command(answer)
        if not answer.succeeded:
            raise UnexpectedResultError(answer.error)
        return answer.instances()

    def machine(self, name: str) -> str:
        """Find the path of the virtual system of that name."""
        answer = self._wbemcli.run("ei", "VirtCIM_ComputerSystem", "ElementName")
        for instance in answer.instances():
            if instance.properties.get("ElementName") == name:
                return instance.path.partition(":")[2]
        raise UnexpectedResultError(f"there is no virtual system {name!r}")

    def request_state(self, path: str, state: int) -> Answer:
        """Ask for a state change; shows the command."""
        answer = self._wbemcli.run("cm", path, f"RequestStateChange.RequestedState={state}")
        self.show.command(answer)
        return answer

    def define(
        self, name: str, *, memory_bytes: int = GUEST_BYTES, disk: str, shown: bool = True
    ) -> Answer:
        """Ask for a new virtual system."""
        system = _mof("VirtCIM_VirtualSystemSettingData", ElementName=name)
        memory = _mof(
            "VirtCIM_MemoryResourceAllocationSettingData",
            ResourceType=4,
            VirtualQuantity=memory_bytes,
            AllocationUnits="byte",
        )
        storage = _mof(
            "VirtCIM_DiskResourceAllocationSettingData", ResourceType=31, HostResource=[disk]
        )
        (service,) = self._wbemcli.run("ein", "VirtCIM_VirtualSystemManagementService").instances()
        answer = self._wbemcli.run(
            "cm",
            service.path.partition(":")[2],
            f'DefineSystem.SystemSettings="{system}",ResourceSettings="{memory}","{storage}"',
        )
        if shown:
            self.show.command(answer)
        return answer


def _mof(class_name: str, **properties: str | int | list[str]) -> str:
    """An instance in MOF, written so that it survives wbemcli.

    wbemcli 1.6.3 does not escape what it puts into XML, and drops array elements after the first
    that have an equals sign: both are written as XML references.
    """

    def literal(value: str | int | list[str]) -> str:
        if isinstance(value, list):
            return "{" + ", ".join(map(literal, value)) + "}"
        return f"&quot;{value}&quot;" if isinstance(value, str) else str(value)

    body = " ".join(f"{name} &#61; {literal(value)};" for name, value in properties.items())
    return f"instance of {class_name} {{ {body} }};"


def show_virtual_systems(stage: Stage, expected: set[str]) -> None:
    """Step: what is there."""
    stage.show.step(
        "The virtual systems",
        "A console lists the virtual machines. EnabledState 2 is running, 3 is stopped.",
    )
    instances = stage.read("ei", "VirtCIM_ComputerSystem", "ElementName", "EnabledState")
    _list(stage, instances, "ElementName")
    _must_contain(stage, instances, "ElementName", expected)


def show_resource_pools(stage: Stage) -> None:
    """Step: what virtual machines are made of."""
    stage.show.step(
        "The resource pools",
        "Where virtual machines get processors, memory, disks and network ports from.",
    )
    properties = ("InstanceID", "ResourceType", "Capacity", "Reserved", "AllocationUnits")
    instances = stage.read("ei", "CIM_ResourcePool", *properties)
    _list(stage, instances, "InstanceID")
    kinds = {
        instance.path.partition(":")[2].partition(".")[0]: instance.path for instance in instances
    }
    wanted = {"VirtCIM_ProcessorPool", "VirtCIM_MemoryPool", "VirtCIM_StoragePool"}
    if not wanted <= kinds.keys():
        raise UnexpectedResultError(f"missing: {', '.join(sorted(wanted - kinds.keys()))}")
    stage.show.good(f"{len(instances)} pools")


def show_state_change(stage: Stage, name: str, *, requested: int, word: str) -> None:
    """Step: start or stop a virtual machine, and see that the next read shows it."""
    stage.show.step(
        f"A state change: {word} {name!r}",
        "RequestStateChange does it; the next read already shows the new state.",
    )
    path = stage.machine(name)
    answer = stage.request_state(path, requested)
    if not answer.succeeded:
        raise UnexpectedResultError(answer.error)
    stage.show.line(answer.output.strip())
    instances = stage.read("gi", path, "ElementName", "EnabledState")
    _list(stage, instances, "ElementName")
    _must_contain(stage, instances, "EnabledState", {str(requested)})


def show_definition(stage: Stage, name: str, disk: str) -> None:
    """Step: make a virtual machine."""
    stage.show.step(
        f"DefineSystem: a new virtual machine {name!r}",
        "Its settings are instances in MOF; &quot; and &#61; stand for what wbemcli cannot send.",
    )
    answer = stage.define(name, disk=disk)
    if not answer.succeeded:
        raise UnexpectedResultError(answer.error)
    stage.show.line(answer.output.strip())
    instances = stage.read("ei", "VirtCIM_ComputerSystem", "ElementName", "EnabledState")
    _list(stage, instances, "ElementName")
    _must_contain(stage, instances, "ElementName", {name})


def show_fault(
    stage: Stage, title: str, explanation: str, code: str, provoke: Callable[[], Answer]
) -> None:
    """Step: provoke a refusal, which must come with that code."""
    stage.show.step(title, explanation)
    answer = provoke()
    for line in (answer.error or answer.output).splitlines():
        if line.strip("* "):
            stage.show.line(line)
    if answer.succeeded:
        raise UnexpectedResultError(f"it succeeded, but {code} was to come")
    if f"{code}:" not in answer.error:
        raise UnexpectedResultError(f"{code} was to come")
    stage.show.good(code)


def _list(stage: Stage, instances: list[Instance], first: str) -> None:
    for instance in instances:
        others = "  ".join(
            f"{name}={value}"
            for name, value in instance.properties.items()
            if value and name != first
        )
        stage.show.line(f"{instance.properties.get(first, '?'):<24} {others}")


def _must_contain(stage: Stage, instances: list[Instance], name: str, expected: set[str]) -> None:
    found = {instance.properties.get(name) for instance in instances}
    if not expected <= found:
        raise UnexpectedResultError(f"{name} was to contain {', '.join(sorted(expected - found))}")
    stage.show.good(f"{name}: {', '.join(sorted(expected))}")
