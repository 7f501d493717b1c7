"""The names that clients give: what is refused, in every call that takes one, before libvirt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, failure, only, running_host, vm_record
from tests.toolstack.test_repositories import arguments
from virtcim.toolstack.faults import XapiFailure
from virtcim.toolstack.names import LIMITS, MACHINE, check_label, check_name, stays_named

REFUSED = {
    "": "it is empty",
    "  ": "it is empty",
    ".": "it means a directory",
    "..": "it means a directory",
    "../default": "it contains a slash",
    "/": "it contains a slash",
    "a\nb": "it contains a control character, U+000A",
    "a\tb": "it contains a control character, U+0009",
    "a\x7f": "it contains a control character, U+007F",
    "a\x9b31m": "it contains a control character, U+009B",
    "a\u2028b": "it contains a line separator, U+2028",
    "a\u2029b": "it contains a paragraph separator, U+2029",
    "a\u202eb": "it contains a character that changes the direction of writing, U+202E",
    "a\u2067b": "it contains a character that changes the direction of writing, U+2067",
    "a\u200f": "it contains a character that changes the direction of writing, U+200F",
}
# What only looks odd.
TAKEN = (
    "...",
    "..a",
    "a b",
    " a",
    "-rf",
    "~",
    "a\\b",
    "a%2fb",
    "größer",
    "日本語",
    "👩‍💻",
    "<&>'\"",
)


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("name", [*REFUSED, "half \ud800", "nul\0"])
def test_a_name_that_means_something_else_is_refused_by_its_rule(kind: str, name: str) -> None:
    with pytest.raises(XapiFailure) as caught:
        check_name(kind, name)
    code, of, shown, rule = caught.value.description
    assert (code, of) == ("VIRTCIM_NAME_REFUSED", kind)
    assert rule == REFUSED.get(name, rule)
    assert shown.isprintable() or not shown.strip()


@pytest.mark.parametrize("kind", LIMITS)
def test_the_limit_counts_bytes_of_utf_8(kind: str) -> None:
    limit = LIMITS[kind]
    assert check_name(kind, "x" * limit)
    assert check_name(kind, "é" * (limit // 2))
    for name in ("x" * (limit + 1), "é" * (limit // 2 + 1)):
        with pytest.raises(XapiFailure) as caught:
            check_name(kind, name)
        assert caught.value.description == ("VIRTCIM_NAME_TOO_LONG", kind, name, str(limit))


@pytest.mark.parametrize("name", TAKEN)
def test_a_name_that_only_looks_odd_is_taken(api: Any, name: str) -> None:
    vm = api.VM.create(vm_record("new"))
    api.VM.set_name_label(vm, name)
    assert api.VM.get_name_label(vm) == name
    pool = api.SR.create(*arguments(api, name, "/more"))
    image = {"SR": pool, "name_label": name, "virtual_size": "1024", "type": "user"}
    assert api.VDI.get_name_label(api.VDI.create(image)) == name


def _calls(api: Any) -> dict[str, tuple[str, Callable[[str], object]]]:
    """Every call that names something for libvirt, and what it names."""
    vm = api.VM.create(vm_record("mine"))
    [pool] = api.SR.get_by_name_label("default")
    return {
        "VM.create": ("virtual machine", lambda name: api.VM.create(vm_record(name))),
        "VM.set_name_label": (
            "virtual machine",
            lambda name: api.VM.set_name_label(vm, name),
        ),
        "SR.create": ("storage pool", lambda name: api.SR.create(*arguments(api, name, "/more"))),
        "VDI.create": (
            "volume",
            lambda name: api.VDI.create(
                {"SR": pool, "name_label": name, "virtual_size": "1024", "type": "user"}
            ),
        ),
    }


def test_every_call_refuses_before_libvirt_is_asked(host: Host, api: Any) -> None:
    objects = [api.VM, api.SR, api.VDI]
    for call, (kind, give) in _calls(api).items():
        before = [each.get_all_records() for each in objects]
        for name, rule in REFUSED.items():
            if name == "" and call != "VM.set_name_label":
                continue  # an image without a name gets one, elsewhere the field is missing
            assert failure(give, name) == [
                *("VIRTCIM_NAME_REFUSED", kind),
                *(failure(give, name)[2], rule),
            ], call
        too_long = "x" * (LIMITS[kind] + 1)
        assert failure(give, too_long)[:2] == ["VIRTCIM_NAME_TOO_LONG", kind], call
        assert [each.get_all_records() for each in objects] == before
    assert sorted(host.libvirt.listDefinedDomains()) == ["mine", "rests"]


@pytest.mark.parametrize("class_name", ["VDI", "SR", "network", "host", "pool"])
def test_a_label_that_is_a_note_may_be_anything_that_is_one_readable_line(
    api: Any, class_name: str
) -> None:
    of = getattr(api, class_name)
    if class_name == "VDI":
        [pool] = api.SR.get_by_name_label("default")
        api.VDI.create({"SR": pool, "name_label": "x", "virtual_size": "1", "type": "user"})
    ref = of.get_all()[0]
    for label in ("../free text", "..", "x" * 5000):
        of.set_name_label(ref, label)
        assert of.get_name_label(ref) == label
    for label in ("a\nb", "a\u202eb", "a\x85"):
        assert failure(of.set_name_label, ref, label)[:2] == ["VALUE_NOT_SUPPORTED", "name_label"]
    assert of.get_name_label(ref) == "x" * 5000


def test_a_label_is_given_back() -> None:
    assert check_label("name_label", "a/b") == "a/b"


ODD = "a\u202egpj.exe\u2028\x85"
ODD_SHOWN = "a\\u202egpj.exe\\u2028\\u0085"


@pytest.fixture
def odd_api(tmp_path: Path, host_uri: str) -> Any:
    """A host on which somebody gave everything an odd name."""
    path = Path(host_uri.removeprefix("test://"))
    xml = path.read_text()
    for name in ("<name>rests</name>", "<name>default</name>"):
        assert name in xml
        xml = xml.replace(name, f"<name>{ODD}</name>")
    volume = f"<volume><name>{ODD}</name><capacity>1</capacity></volume>"
    path.write_text(xml.replace("</target></pool>", f"</target>{volume}</pool>"))
    with running_host(host_uri) as host:
        session = host.login()
        yield session
        session("close")()


def test_names_that_others_gave_are_shown_escaped_and_can_be_changed(
    odd_api: XenAPI.Session,
) -> None:
    api = odd_api.xenapi
    for class_name in ("VM", "SR", "VDI", "network"):
        only(odd_api, class_name, ODD_SHOWN)
    vm = only(odd_api, "VM", ODD_SHOWN)
    # What a client was shown it may send back.
    api.VM.set_name_label(vm, ODD_SHOWN)
    assert api.VM.get_name_label(vm) == ODD_SHOWN
    api.VM.set_name_label(vm, "readable")
    assert api.VM.get_name_label(vm) == "readable"
    image = only(odd_api, "VDI", ODD_SHOWN)
    api.VDI.set_name_label(image, "readable")
    assert api.VDI.get_name_label(image) == "readable"
    api.VDI.destroy(image)
    assert image not in api.VDI.get_all()


def test_a_name_stays_where_it_is_sent_back_as_it_is_or_was_shown() -> None:
    assert stays_named("a", "a")
    assert stays_named(ODD, ODD)
    assert stays_named(ODD, ODD_SHOWN)
    assert not stays_named("a", "b")


def test_the_limit_of_a_machine_is_the_one_that_is_documented() -> None:
    assert LIMITS[MACHINE] == 245
