"""What a job keeps of the instances that it has to do with (DSP1103)."""

from __future__ import annotations

from virtcim.providers.engine.instance_class import AnyNode
from virtcim.providers.state.job import JobElement

__all__ = ["element_of"]


def element_of(node: AnyNode) -> JobElement:
    """What a job keeps of an instance."""
    return JobElement(node.instance_class.name, node.identity)
