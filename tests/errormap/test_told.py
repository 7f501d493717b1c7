"""Which operation a report tells of that came without the name of its call."""

from __future__ import annotations

import pytest

from virtcim.errormap.told import call_named, groups_told


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("virDomainCreate() failed", "virDomainCreate"),
        ("| n7 | [error||5 |Async.VM.start R:0f1e2d3c4b5a|xapi] odd", "VM.start"),
        ("[debug|n7|5 INET :::80|dispatch:SR.scan D:0f1e2d3c4b5a|sm] odd", "SR.scan"),
        ("[root@n7 ~]# xe vm-start vm=web\nodd", "VM.start"),
        ("$ sudo xl create web.cfg\nodd", "xend.domain.create"),
        ("n7:~# xe pbd-plug uuid=3", "PBD.plug"),
        ("qemu-img convert -O qcow2 a b: odd", "drive-mirror"),
        ("the manual of xe vm-start says so", ""),
        ("costs $5, xl size", ""),
        ("a task of VM.start", ""),
    ],
)
def test_a_call_is_known_by_the_function_the_task_or_the_command_that_is_printed(
    text: str, call: str
) -> None:
    assert call_named(text) == call


def test_words_tell_of_a_machine_or_of_a_question_where_no_call_is_named() -> None:
    assert "@guest" in groups_told("Unable to start the virtual machine")
    assert "@read" in groups_told("Error while listing the networks")
    assert groups_told("Something odd") == frozenset()


def test_what_was_asked_for_goes_before_a_call_that_the_text_names() -> None:
    text = "error: Failed to detach device odd"
    assert "@guest" in groups_told(text)
    assert groups_told(text, "virNodeDeviceOdd") == frozenset()
