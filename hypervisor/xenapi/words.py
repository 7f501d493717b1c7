"""What words of the XenAPI mean in the domain model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from virtcim.hypervisor.model import ConsoleKind, PowerOperation, PowerState

__all__ = ["PATH_REPOSITORY", "console_kind", "power_state", "system_types", "transition"]

#: ``SR.type`` of the repository that takes images by path or URI; our own toolstack has one.
PATH_REPOSITORY = "path"
# ``VM.allowed_operations`` that change the power state.
_TRANSITIONS: Mapping[str, PowerOperation] = MappingProxyType(
    {
        **{operation.value: operation for operation in PowerOperation},
        "start_on": PowerOperation.START,
        "resume_on": PowerOperation.RESUME,
        "destroy": PowerOperation.HARD_SHUTDOWN,
        "shutdown": PowerOperation.CLEAN_SHUTDOWN,
    }
)
_CONSOLES: Mapping[str, ConsoleKind] = MappingProxyType(
    {
        "vt100": ConsoleKind.TEXT,
        "rfb": ConsoleKind.GRAPHICAL,
        "rdp": ConsoleKind.GRAPHICAL,
        "spice": ConsoleKind.GRAPHICAL,  # our toolstack's
    }
)
# Xen names the interfaces that it offers to guests.
_SYSTEM_TYPES: Mapping[str, str] = MappingProxyType({"hvm-": "hvm", "xen-": "pv"})


def power_state(word: str) -> PowerState:
    """The state that ``VM.power_state`` names, in any case; UNKNOWN for another word."""
    try:
        return PowerState(word.capitalize())
    except ValueError:
        return PowerState.UNKNOWN


def transition(operations: Iterable[str]) -> PowerOperation | None:
    """What the operations in progress do to the power state; None where none of them does."""
    return next((_TRANSITIONS[name] for name in operations if name in _TRANSITIONS), None)


def console_kind(protocol: str) -> ConsoleKind:
    """What a ``console`` of that protocol shows."""
    return _CONSOLES.get(protocol, ConsoleKind.OTHER)


def system_types(capabilities: Sequence[str]) -> tuple[str, ...]:
    """The kinds of virtual systems that ``host.capabilities`` offer; hvm where none is named."""
    offered = (
        kind
        for prefix, kind in _SYSTEM_TYPES.items()
        if any(name.startswith(prefix) for name in capabilities)
    )
    return tuple(offered) or ("hvm",)
