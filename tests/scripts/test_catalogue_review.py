"""What was judged when every message was read can be held against the map of today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from catalogue_review import key_of, reviewed
from source_messages import messages_below

from virtcim.errormap import ErrorCode

_SCRIPTS = Path(__file__).parents[2] / "scripts"
_REVIEW = Path(__file__).parents[2] / "benchmarks" / "agreement" / "catalogue_review.txt"
_D = "VIR_FROM_DOMAIN,src/conf/domain_conf.c"
_TABLE = f"""\
code,domain,file,function,macro,format
VIR_ERR_XML_ERROR,{_D},virDomainParse,virReportError,odd colour '%1$s'
VIR_ERR_XML_ERROR,{_D},virDomainParse,virReportError,even colour '%1$s'
VIR_ERR_INTERNAL_ERROR,{_D},virDomainParse,virReportError,colours went away
VIR_ERR_INTERNAL_ERROR,{_D},virDomainParse,virReportError,nobody judged it
VIR_ERR_XML_ERROR,{_D},virDomainParse2,virReportError,odd colour '%1$s'
"""
_JUDGED = ("BAD_PARAMETER|general", "general", "BAD_PARAMETER")


def test_differences_from_what_was_judged_are_told(tmp_path: Path) -> None:
    table, review = tmp_path / "libvirt.csv", tmp_path / "review.txt"
    table.write_text(_TABLE)
    keys = [key_of(message) for message in messages_below(table)]
    assert keys[0] == keys[4]
    review.write_text(
        "# judged\n"
        + "\n".join(f"[{codes}]\n{key}" for codes, key in zip(_JUDGED, keys, strict=False))
    )
    done = subprocess.run(
        [sys.executable, _SCRIPTS / "catalogue_review.py", table, "--review", review],
        check=True,
        capture_output=True,
        text=True,
    )
    place = "src/conf/domain_conf.c (virDomainDefineXML)"
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines == [
        f"{keys[1]} wrongly specific: {place}: XML error: even colour 'value1'",
        "BAD_PARAMETER by libvirt.invalid_argument, judged general",
        f"{keys[2]} needlessly general: {place}: internal error: colours went away",
        "VM_CONTROL_OP_FAILED by default.vm_operation, judged BAD_PARAMETER",
        "3 reviewed",
        "1 as judged",
        "1 wrongly specific",
        "1 needlessly general",
        "1 not reviewed",
    ]


def test_the_review_names_codes_that_there_are() -> None:
    judged = reviewed(_REVIEW)
    codes = {code for named in judged.values() for code in named.split("|")} - {"general"}
    assert len(judged) > 15_000
    assert codes <= {code.name.removeprefix("ERR_") for code in ErrorCode}
