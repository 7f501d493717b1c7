"""Which lines of what Xen's tools print are the error, and which tell how far they came."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virtcim.errormap.patterns import later

__all__ = ["of_libxl", "telling_lines"]

# Lines of libxl on the domain that it takes away again.
_AFTERMATH = later(r"\blibxl\w*: .{0,40}\b(?:libxl__destroy|domain_destroy|devices_destroy)\w*:")
# What xm, xl and their helpers say of their progress and of settings that they do not like, and the
# command that somebody typed.
_COMMAND = r"(?:sudo )?(?:x[ml]|virsh|qvm-\w{1,20}|/etc/init\.d/xend) \w"
_PROGRESS = later(
    r"\s*(?:using config file|parsing config (?:file|from)|loading new save file"
    r"|savefile contains\b|started domain\b|going to boot\b|(?:kernel|initrd): /|warning ?[:!]"
    r"|no handlers could be found|domain \d{1,6} (?:has shut down|is dead|needs to be cleaned up)\b"
    r"|(?:libxl|xc|xl|libxl-save-helper|domainbuilder): "
    r"(?:info|debug|detail|notice|progress|warning)\b"
    r"|waiting for domain \S{1,80} (?:\(domid \d{1,6}\) )?to die"
    r"|action for shutdown reason code\b|done\. (?:exiting|rebooting) now"
    r"|(?:reloading|saving) to \S{1,200} new xl format"
    r"|migration \w{4,8}: (?:ready to receive|target )"
    r"|\[\d{4}-\d\d-\d\d [^\]\n]{1,60}\] (?:[\w.]{1,40} )?debug \("
    rf"|[^\n]{{0,80}}?[\]\w~)'\"][#$>] ?{_COMMAND}|[#$] {_COMMAND})",
    re.IGNORECASE,
)
# Behind it stands how a command is to be called.
_USAGE = later(r"\n\s*usage: x[ml] [^\n]*(?:\n.*)?\Z", re.IGNORECASE | re.DOTALL)
# Where libxl says that it is in its own program.
_OF_LIBXL = later(
    r"^(?:libxl|xc|xl)\w*: (?:error|panic): (?:[\w./-]{1,60}:\d{1,6}: ?)?(?:\w{1,60}: ?)?"
    r"(?:Domain \d{1,6}: ?)?",
    re.MULTILINE,
)


def telling_lines(text: str) -> str:
    """``text`` without progress, usage and what was tidied up when all had failed.

    Where nothing else is left, it stays as it is.
    """
    kept = text
    if "sage: x" in kept:
        kept = _left(kept, _USAGE.sub("", kept))
    if "\n" in kept:
        lines = kept.splitlines()
        kept = _left(kept, "\n".join(line for line in lines if _PROGRESS.match(line) is None))
    if "destr" in kept:
        lines = kept.splitlines()
        kept = _left(kept, "\n".join(line for line in lines if _AFTERMATH.search(line) is None))
    return kept


def of_libxl(text: str) -> Iterator[str]:
    """What each line of libxl's says, without the place in its program."""
    return (text[place.end() :].partition("\n")[0].strip() for place in _OF_LIBXL.finditer(text))


def _left(text: str, without: str) -> str:
    return without if without.strip() else text
