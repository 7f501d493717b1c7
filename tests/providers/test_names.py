"""The names of instances, of which most are made without their identities."""

from __future__ import annotations

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.providers import HOST_CLASSES, IMPLEMENTATION_CLASSES, INTEROP_CLASSES, ObjectPath
from virtcim.providers.engine.instance_class import AnyClass
from virtcim.providers.engine.view import View


@pytest.mark.parametrize(
    "instance_class",
    [*IMPLEMENTATION_CLASSES, *INTEROP_CLASSES, *HOST_CLASSES],
    ids=lambda one: one.name,
)
def test_the_name_of_an_instance_has_the_keys_of_its_identity(
    instance_class: AnyClass, endpoint: SimulatedEndpoint
) -> None:
    view = View(namespace="root/virt", endpoint=endpoint)
    for node in instance_class.all(view):
        keys = instance_class.shape.keys(node.identity)
        expected = ObjectPath(instance_class.name, keys, namespace="root/virt")
        assert node.path("root/virt") == expected
        assert node.path("root/virt").keys == expected.keys
        assert node.path("root/other").namespace == "root/other"
        assert instance_class.shape.identity(node.path("root/virt")) == node.identity
