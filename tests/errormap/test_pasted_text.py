"""What pasting does to a text changes nothing of what it is told to mean."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from virtcim.errormap import from_record, translate
from virtcim.errormap.forms.pasted_text import without_pasting

_CASES = Path(__file__).with_name("cases")
_CALLS = (
    "\n\nTraceback (most recent call last):\n"
    '  File "/usr/share/virt-manager/virtManager/asyncjob.py", line 72, in cb_wrapper\n'
    "    callback(asyncjob, *args, **kwargs)\n"
    '  File "/usr/lib/python3/dist-packages/libvirt.py", line 1353, in create\n'
    "    raise libvirtError('virDomainCreate() failed')"
)
# What logs of managers put before each line.
_NOVA = (
    "2024-03-01 10:00:00.123 7 ERROR nova.virt.libvirt.driver [None req-1 a - -] [instance: 7b7] "
)
_CLOUDSTACK = (
    "2024-03-01 10:00:00,123 WARN  [c.c.v.VirtualMachineManagerImpl] (Work-Job-Executor-9:ctx-1 "
    "job-12/job-13 ctx-2) (logid:8) "
)
_HEADS = (
    _NOVA,
    _CLOUDSTACK,
    f"Mar 01 10:00:00 node1 nova_compute[12]: {_NOVA}",
    "2024-03-01 10:00:00,123+01 ERROR [org.ovirt.engine.core.RunVmCommand] (EE-Thread-3) [1a2b] ",
    "2024-03-01 10:00:00,123+0100 ERROR (vm/ab12cd34) [virt.vm] ",
    "2024-03-01T10:00:00.123Z [ERROR] provider.terraform-provider-libvirt_v0.7.1: ",
    "2024/03/01 10:00:00 [ERROR] ",
    "E0301 10:00:00.123456    1234 start.go:90] libmachine: (minikube) DBG | ",
    "Fri Mar 01 10:00:00 2024 [Z0][VMM][E]: ",
    "[Fri, 01 Mar 2024 10:00:00 virt-install 1234] ERROR (cli:200) ",
    "FATA[0002] ",
    "00:00:33.257  ",
)


def _behind(head: str, text: str) -> str:
    return "\n".join(head + line for line in text.split("\n"))


PASTED: dict[str, Callable[[str], str]] = {
    "cited": lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    "cited twice": lambda text: "\n".join(f"> > {line}" for line in text.split("\n")),
    "indented": lambda text: "\n".join(f"    {line}" for line in text.split("\n")),
    "in colour": lambda text: "\n".join(f"\x1b[1;31m{line}\x1b[0m" for line in text.split("\n")),
    "in entities": html.escape,
    "fenced": lambda text: f"```console\n{text}\n```",
    "curled": lambda text: text.replace("'", "\u2019"),
    "in a journal": lambda text: "\n".join(
        f"Jan 02 10:00:00 host libvirtd[1234]: {line}" for line in text.split("\n")
    ),
    "with the calls behind": lambda text: text + _CALLS,
    **{f"behind {head!r}": lambda text, head=head: _behind(head, text) for head in _HEADS},
    "above what the log calls harmless": lambda text: (
        _behind(_NOVA, text)
        + "\n2024-03-01 10:00:01.123 7 INFO nova.compute.manager [-] no space left, image not found"
    ),
}


def _texts() -> list[tuple[str, str, str]]:
    """Reports of libvirt and QEMU as a person pastes them: source, call and text."""
    found = []
    for path in sorted(_CASES.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            raw = case["raw"]
            text = raw.get("stderr") or raw.get("text")
            if case["source"] in ("libvirt", "qemu") and text and text.isascii():
                found.append((case["source"], case["operation"], text))
    return found


def _code(source: str, operation: str, text: str) -> str:
    field = {"stderr": text, "exit_status": 1} if source == "qemu" else {"text": text}
    record = {"source": source, "operation": operation, "raw": field}
    return translate(from_record(record)).code.name


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_what_pasting_does_to_a_text_changes_no_answer(pasted: Callable[[str], str]) -> None:
    texts = _texts()
    assert len(texts) > 100
    changed = [
        (one, _code(*one), _code(source, operation, pasted(text)))
        for one in texts
        for source, operation, text in [one]
        if _code(*one) != _code(source, operation, pasted(text))
    ]
    assert changed == []


@pytest.mark.parametrize(
    "text",
    [
        "'usb-host' is not a valid device model name, use 'usb'",
        "a < b & c > d",
        "> not cited\nbecause of this line",
        "Traceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'a'",
        "said before\nTraceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'a'",
        "\u00abcit\u00e9\u00bb l\u2019image",
    ],
)
def test_a_text_that_nothing_was_done_to_stays(text: str) -> None:
    raw = {"text": text}
    assert without_pasting(raw) is raw


@pytest.mark.parametrize(
    "text",
    [
        "error: internal error: unable to execute QEMU command 'savevm': Could not open file",
        "libvirtError: unsupported configuration: CPU mode 'custom' is not supported by hypervisor",
        "qemu-system-x86_64: -object vfio-user-server,id=s,device=a,path=asdf: 'type' is missing",
    ],
)
def test_a_text_that_was_broken_at_the_width_of_a_mail_is_joined_again(text: str) -> None:
    broken = "\n".join(textwrap.wrap(text, 76, break_on_hyphens=False))
    assert without_pasting({"text": broken}) == {"text": text}


@pytest.mark.parametrize(
    "text",
    [
        "error: Failed to start domain 'a machine with a long name'\nerror: there is no space left",
        "a line that is short\nand another one",
        "qemu-system-x86_64: -drive file=a.qcow2: a message, and wide\nqemu-system: another",
    ],
)
def test_lines_of_their_own_stay_apart(text: str) -> None:
    raw = {"text": text}
    assert without_pasting(raw) is raw


def test_a_message_in_quotation_marks_is_the_message() -> None:
    assert without_pasting({"text": "'qemu-kvm: Unknown machine'"}) == {
        "text": "qemu-kvm: Unknown machine"
    }
