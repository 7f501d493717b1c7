"""Every message that a source can give is put through the translation, and families are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).parents[2] / "scripts" / "error_catalogues.py"

_Q = "VIR_FROM_QEMU,src/qemu/q.c,qemuStart,virReportSystemError"
_D = "VIR_FROM_DOMAIN,src/conf/domain_conf.c"
_TABLE = f"""\
code,domain,file,function,macro,format
VIR_ERR_SYSTEM_ERROR,{_Q},no way to the disk image file %1$s
VIR_ERR_SYSTEM_ERROR,{_Q},cannot open log file %1$s
VIR_ERR_XML_ERROR,{_D},virDomainParse,virReportError,odd colour '%1$s'
VIR_ERR_XML_ERROR,{_D},virDomainParse2,virReportError,odd colour '%1$s'
VIR_ERR_?error,VIR_FROM_CONF,src/util/c.c,virConf,virReportErrorHelper,%1$s
"""
_LIBVIRT = """
#define VIR_FROM_THIS VIR_FROM_STORAGE
/* virReportError(VIR_ERR_XML_ERROR, _("only a comment")); */
int
virStorageThing(const char *path)
{
    virReportError(VIR_ERR_INTERNAL_ERROR,
                   _("the block %s of \\"it\\", "
                     "has %" PRIu64 " ends"), path, n);
    virReportSystemError(errno, "%s", _("cannot do it"));
}
"""
_QEMU = """
static void thing_realize(DeviceState *dev, Error **errp)
{
    error_setg(errp, "colour must be between %d and %d", f(1, 2), 3);
    error_setg_file_open(errp, errno, name);
    error_report("nothing comes of it");
}
"""


def _families(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), "--json", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_table_of_messages_is_told_by_family_and_a_log_file_is_no_disk(tmp_path: Path) -> None:
    (tmp_path / "libvirt.csv").write_text(_TABLE)
    answer = _families(str(tmp_path), "--examples", "9")
    outcomes = {
        example: family["err"] for family in answer["families"] for example in family["examples"]
    }
    assert outcomes == {
        "src/qemu/q.c (virDomainCreate): no way to the disk image file"
        " /var/lib/libvirt/images/vm1.qcow2:"
        " No such file or directory": "ERR_CANNOT_ACCESS_DISK_FILE",
        "src/qemu/q.c (virDomainCreate): cannot open log file /var/log/libvirt/qemu/vm1.log:"
        " No such file or directory": "ERR_VM_CONTROL_OP_FAILED",
        "src/conf/domain_conf.c (virDomainDefineXML): XML error:"
        " odd colour 'value1'": "ERR_BAD_PARAMETER",
    }
    assert [(row["kind"], row["messages"], row["general"]) for row in answer["kinds"]] == [
        ("SYSTEM_ERROR", 2, 1),
        ("XML_ERROR", 1, 0),
    ]


def test_messages_are_taken_out_of_unpacked_sources(tmp_path: Path) -> None:
    libvirt, qemu = tmp_path / "libvirt", tmp_path / "qemu"
    for directory, name, text in (
        (libvirt / "src", "libvirt.c", _LIBVIRT),
        (qemu / "hw", "thing.c", _QEMU),
        (qemu / "tests", "thing.c", _QEMU),
    ):
        directory.mkdir(parents=True)
        (directory / name).write_text(text)
    answer = _families(str(libvirt), str(qemu), "--examples", "9", "--errno", "EIO")
    told = sorted(example for family in answer["families"] for example in family["examples"])
    assert told == [
        "hw/thing.c ((start)): qemu-system-x86_64: nothing comes of it",
        "hw/thing.c (device_add): Could not open '/srv/data/vm1.dat': Input/output error",
        "hw/thing.c (device_add): colour must be between 17 and 17",
        "src/libvirt.c (virStorageThing): cannot do it: Input/output error",
        'src/libvirt.c (virStorageThing): internal error: the block vda of "it", has 17 ends',
    ]
    kinds = {(row["source"], row["kind"]): row["messages"] for row in answer["kinds"]}
    assert kinds == {
        ("libvirt", "INTERNAL_ERROR"): 1,
        ("libvirt", "SYSTEM_ERROR"): 1,
        ("qemu", "GenericError"): 2,
        ("qemu", "report"): 1,
    }
