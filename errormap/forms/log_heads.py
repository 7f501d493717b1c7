"""What logs put before a message: the time, the level, and which part and thread speaks.

These are names of the manager's own (``[c.c.v.VirtualMachineManagerImpl]``, ``job-129/job-131``),
and no words of the error. Lines that the log itself calls harmless go where others are errors.
"""

from __future__ import annotations

from virtcim.errormap.patterns import later

__all__ = ["without_log_heads", "without_xapi_heads"]

# A day, a time, and what stands behind it: fractions and the zone.
_TIME = r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[.,]?\d{0,9}(?:Z|[+-]\d\d:?(?:\d\d)?)?\]?"
_LEVEL = r"(TRACE|DEBUG|INFO|NOTICE|AUDIT|WARN(?:ING)?|ERROR|ERR|SEVERE|CRITICAL|CRIT|FATAL)"
# Java's: CloudStack and its agents, oVirt's engine.
_JAVA = (
    r"<time> {1,2}<level> {1,3}\[[\w.$ /-]{1,120}\] {0,2}"
    r"(?:\([^()\n]{1,200}(?:\([^()\n]{0,60}\)[^()\n]{0,60})?\) ?){1,2}(?:\[[0-9a-f-]{0,60}\] ?)?"
)
# Python's: OpenStack's services, with request and machine; oVirt's host agent.
_OPENSTACK = (
    r"<time> (?:\d{1,9} )?<level> [a-z_][\w.]{2,120}(?: \[(?:-|(?:None )?req-[^\]\n]{1,300}"
    r"|(?:instance|volume|port|server)[: ][^\]\n]{1,80})\]){0,3}(?: |$)"
)
_VDSM = r"<time> <level> {1,3}\([\w/.: -]{1,80}\) \[[\w.]{1,80}\] "
# Terraform and its providers, Rancher; and whatever Go's own log writes.
_HASHICORP = r"<time> \[<level>\] {1,3}(?:(?:provider|plugin)\.[\w.-]{1,120}: )?"
_GO = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? (?:[\w-]{1,60}\.go:\d{1,6}: )?(?=[^\[ ])"
# Go's logrus on a terminal.
_LOGRUS = r"(TRAC|DEBU|INFO|WARN|ERRO|FATA|PANI)\[\d{4,8}\] "
# Kubernetes' programs and those of libmachine.
_KLOG = (
    r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6} {1,9}\d{1,9} [\w.-]{1,60}\.go:\d{1,6}\] "
    r"(?:libmachine: )?(?:\([\w.-]{1,60}\) )?(?:DBG \| )?"
)
# OpenNebula, whose reasons stand at any level.
_OPENNEBULA = (
    r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} \[Z\d{1,4}\]\[\w{2,5}\]\[[A-Z]\]: "
)
# virt-install and virt-manager.
_VIRTINST = (
    r"\[[A-Z][a-z]{1,2}, [^\]\n]{10,40} virt-\w{3,12} \d{1,9}\] <level> \(\w{1,40}:\d{1,6}\) "
)
# What systems of tests put before each line.
_TESTS = r"\d\d:\d\d:\d\d\.\d{3} {2}"
# A journal, whoever writes it.
_JOURNAL = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,80} [\w./@-]{1,40}\[\d{1,9}\]: "
_HEADS = (
    _JAVA, _OPENSTACK, _VDSM, _HASHICORP, _GO, _LOGRUS, _KLOG, _OPENNEBULA, _VIRTINST, _TESTS,
    _JOURNAL,
)  # fmt: skip
_HEAD = later("|".join(_HEADS).replace("<time>", _TIME).replace("<level>", _LEVEL))
# Whether it is worth while to look.
_STAMPED = later(r"\d\d:\d\d:\d\d|(?:\A|\n)[A-Z]{4}\[\d{4}")
_ERRORS = frozenset(
    ("ERROR", "ERR", "SEVERE", "CRITICAL", "CRIT", "FATAL", "E", "F", "ERRO", "FATA", "PANI")
)
_HARMLESS = frozenset(("DEBUG", "INFO", "NOTICE", "AUDIT", "I", "TRAC", "DEBU"))
# A head may hold another one: a journal hands on what a service logs.
_MOST = 3


def without_log_heads(text: str) -> str:
    """``text`` without what logs put before its lines.

    Lines of a harmless level, and what is indented below them, go where the log calls others
    errors.
    """
    if _STAMPED.search(text) is None:
        return text
    lines: list[str] = []
    levels: list[str] = []
    for given in text.split("\n"):
        line, level = _headless(given)
        # A traceback or a frame of a stack belongs to the line above it; other output does not.
        going_on = levels and (not line.strip() or line[:1] in " \t}])")
        lines.append(line)
        levels.append(level or (levels[-1] if going_on else ""))
    if not any(levels):
        return text
    if not _ERRORS.isdisjoint(levels):
        lines = [line for line, level in zip(lines, levels, strict=True) if level not in _HARMLESS]
    kept = "\n".join(lines)
    return kept if kept.strip() else text


def _headless(line: str) -> tuple[str, str]:
    """``line`` without its heads, and its level: "-" where they tell none, "" without a head."""
    level = ""
    for _ in range(_MOST):
        head = _HEAD.match(line)
        if head is None:
            break
        level = next((one for one in head.groups() if one), "") or level or "-"
        line = line[head.end() :]
    return line, level


# Of XAPI, its storage manager and their clients: when, who, how grave, of which of their steps.
_XAPI_HEAD = later(
    r"\s{0,20}(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]{5,15}(?:Z|[+-]\d\d:?\d\d)?\]?[ :]{0,3}"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,60} [\w./-]{1,40}(?:\[\d{1,9}\])?: "
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT "
    r"|\[ ?(?:error|warn|info|debug)\|[^\n]{0,160}?\|[\w.]{1,60}\] "
    r"|(?:SM|SMGC): \[\d{1,9}\][ *]{0,12}"
    r"|(?:xo|xen-api):?[\w:@.-]{0,60} (?:(?:ERROR|WARN|INFO|DEBUG) )?"
    r"|[^\n|]{0,80}\| [\w.]{1,60}\([^\n]{0,400}?\) \[[\d.]{1,8} ?[a-z]{1,12}\] =!> "
    r"|==> [\w.-]{1,60}: {1,8}|\* [\w.-]{1,120}: "
    r"|\[?(?:ERROR|FATAL|WARN(?:ING)?|CRITICAL)\]? ?[:-]? {1,8})"
)
_MOST_XAPI_HEADS = 6


def without_xapi_heads(text: str) -> str:
    """``text`` without what a log or a tool writes before it; itself where nothing is left."""
    at = 0
    for _ in range(_MOST_XAPI_HEADS):
        head = _XAPI_HEAD.match(text, at)
        if head is None:
            break
        at = head.end()
    return text[at:] if text[at:].strip() else text
