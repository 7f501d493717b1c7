"""Deciding: which rule a fault falls under.

A source's own rules come first, in the order of their table; then the fault nested inside, the
texts all sources share, the source's weak rules, and last the defaults. The first rule whose
conditions all hold decides. Before a general default the words are weighed against those of known
faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from virtcim.errormap.fault import ErrorCode, Fault
from virtcim.errormap.operations import UNNAMED
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.rules import FAMILY, LIKENESS, SHARED, SOURCES, Rule, load
from virtcim.errormap.told import call_told

if TYPE_CHECKING:
    from virtcim.errormap.likeness.model import Model

__all__ = [
    "DEFAULTS",
    "Decision",
    "by_likeness",
    "by_rules",
    "decide",
    "matching",
    "shared_for",
    "stages",
    "worded",
]

_DEEPEST = 32
# What managers of several hosts say.
_MANAGERS = (f"{SHARED}.manager_", f"{SHARED}.software_too_old")
# Wide families of what programs around these say; what has a number was said by the hypervisor.
_TOLD = f"{SHARED}.told_"
# Those that go before what libvirt's own words would say.
_TOLD_FIRST = (f"{SHARED}.told_unsupported", f"{SHARED}.told_backup")
_TELLING = frozenset(("libvirt", "xend"))
_NO_TABLE = "default"


def _default(identifier: str, err: ErrorCode, note: str, since: str = "1.0.0") -> Rule:
    return Rule(id=identifier, source=_NO_TABLE, err=err, since=since, note=note)


_GUEST = _default(
    "default.vm_operation",
    ErrorCode.ERR_VM_CONTROL_OP_FAILED,
    "An operation on a virtual machine failed, and no rule knows the reason.",
)
_OTHER = _default(
    "default.operation",
    ErrorCode.ERR_OPERATION_FAILED,
    "A reading call, or an operation on storage, network, host or pool failed, and no rule knows"
    " the reason.",
)
_STATE = _default(
    "default.state_query",
    ErrorCode.ERR_UNABLE_TO_VERIFY_STATE,
    "The state of a virtual machine was asked for and not told, and no rule knows the reason.",
    since="2.0.0",
)
_UNKNOWN = _default(
    "default.unknown",
    ErrorCode.ERR_UNKNOWN,
    "The reply holds neither a code nor a text.",
)
DEFAULTS = (_GUEST, _OTHER, _STATE, _UNKNOWN)


# Codes of a server that stumbled itself: its words never say that the caller is wrong.
_STUMBLING = frozenset(
    (
        "INTERNAL_ERROR",
        "INTERNAL ERROR",
        "XENAPI_PLUGIN_FAILURE",
        "XENAPI_PLUGIN_EXCEPTION",
        "XAPI_HOOK_FAILED",
        "SR_BACKEND_FAILURE_1200",
    )
)
# The class that QMP gives to whatever has none of its own.
_CLASSLESS = "GenericError"
_BLAMING = frozenset(
    (
        ErrorCode.ERR_BAD_PARAMETER,
        ErrorCode.ERR_INVALID_PARM_NUM,
        ErrorCode.ERR_ACCESS_DENIED,
        ErrorCode.ERR_NAME_TOO_LONG,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The rule that decided and the fault it decided on: the one given, or one nested in it."""

    rule: Rule
    facts: Facts

    @property
    def fault(self) -> Fault:
        """The fault that the rule looked at."""
        return self.facts.fault

    @property
    def by_default(self) -> bool:
        """Whether no rule of a table held."""
        return self.rule.source == _NO_TABLE

    @property
    def by_likeness(self) -> bool:
        """Whether no rule of a table held, and the words are those of known faults."""
        return self.rule.source == LIKENESS


def decide(fault: Fault) -> Decision:
    """The decision on ``fault``; there always is one."""
    decision = by_rules(fault)
    if decision.rule not in (_GUEST, _OTHER):
        return decision
    facts, stumbled = worded(fault)
    found = _alike(facts, stumbled)
    if found is None and decision.rule is _OTHER and not _is_called(decision.facts):
        found = _operated(facts, called=facts.fault is not fault and _is_called(facts))
    return found or decision


def by_rules(fault: Fault, depth: int = 0, around: Facts | None = None) -> Decision:
    """What the tables say of ``fault``, nested in that of ``around``, or else the defaults."""
    facts = Facts(fault, around=around)
    own, weak = stages(fault.source, fault.code)
    # What a page or a printed fault in an answer says is more than that an answer came.
    answered = fault.source == "transport" and fault.cause and fault.cause.source != "transport"
    # Without its number the words around a printed fault are whatever handed it on.
    carried = answered or (fault.cause is not None and not fault.code)
    rule = None if answered else _first(_codeless(own) if carried else own, facts)
    if rule is None and fault.cause is not None and depth < _DEEPEST:
        nested = by_rules(fault.cause, depth + 1, facts)
        if not nested.by_default:
            return nested
    if carried and rule is None:
        rule = _first(own, facts)
    if rule is not None:
        return Decision(rule=rule, facts=facts)
    telling = tuple(one for one in weak if one.text is not None)
    for one in (facts, *facts.others()):
        rule = (one is not facts and _first(own, one)) or _first(shared_for(fault), one)
        rule = rule or _first(telling, one)
        if rule is not None:
            return Decision(rule=rule, facts=one)
    return Decision(rule=_first(weak, facts) or _default_for(facts), facts=facts)


def by_likeness(fault: Fault, model: Model | None = None) -> Decision | None:
    """What known faults with such words are by ``model`` or that of the file, if sure enough."""
    return _alike(*worded(fault), model)


def _alike(facts: Facts, stumbled: bool, model: Model | None = None) -> Decision | None:
    from virtcim.errormap.likeness.model import likeness
    from virtcim.errormap.likeness.rules import RULES

    if not facts.text.strip() or _is_monitors(facts):
        return None
    found = likeness(facts, () if _is_asked(facts) and not stumbled else _BLAMING, model)
    rule = None if found is None else RULES.get(found.code)
    # Words that weigh much are no evidence of what the code is about.
    return Decision(rule=rule, facts=facts) if rule is not None and holds(rule, facts) else None


def _operated(facts: Facts, *, called: bool) -> Decision | None:
    """That a machine was operated, where no call is known and the words are of such faults."""
    from virtcim.errormap.likeness.model import operated
    from virtcim.errormap.likeness.rules import OPERATED

    if called or not facts.text.strip() or operated(facts) is None:
        return None
    return Decision(rule=OPERATED, facts=facts)


def _is_called(facts: Facts) -> bool:
    """Whether a call is named, or words tell what was asked for."""
    return bool(facts.call or call_told(facts.fault.text)) or facts.groups != UNNAMED


def _is_monitors(facts: Facts) -> bool:
    """Whether QEMU's monitor says it in an error object of no class.

    Those words are QEMU's own and rules were made from all of them; what they leave open tells
    of devices and of the inside of the emulator, in words that requests and disks have, too.
    """
    return facts.fault.source == "qemu" and facts.fault.code == _CLASSLESS


def _is_asked(facts: Facts) -> bool:
    """Whether there is a request that may be wrong, or nobody knows what was asked.

    What an emulator prints without an option or a command tells of its devices and its guest; and
    libvirt stumbles itself where the call carries neither a description nor values.
    """
    if facts.fault.source == "qemu":
        return "request" in facts.objects
    return facts.fault.source != "libvirt" or not facts.call or "@request" in facts.groups


def worded(fault: Fault) -> tuple[Facts, bool]:
    """The innermost fault that has words, and whether a server on the way to it stumbled."""
    facts = Facts(fault)
    stumbled = _has_stumbled(fault)
    for _ in range(_DEEPEST):
        if facts.fault.cause is None:
            break
        nested = Facts(facts.fault.cause, around=facts)
        if not nested.text.strip():
            break
        facts = nested
        stumbled = stumbled or _has_stumbled(facts.fault)
    return facts, stumbled


def _has_stumbled(fault: Fault) -> bool:
    return fault.source == "xapi" and fault.code in _STUMBLING


def _codeless(own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in own if not rule.code)


def shared_for(fault: Fault) -> tuple[Rule, ...]:
    """The shared texts that may decide on ``fault``."""
    told = not fault.code and fault.source in _TELLING
    return _shared(told=told, stumbled=_has_stumbled(fault))


@cache
def _shared(*, told: bool, stumbled: bool) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in load(SHARED)
        if (told or not rule.id.startswith(_TOLD)) and not (stumbled and rule.err in _BLAMING)
    )


def matching(candidates: Sequence[Rule], facts: Facts) -> Iterator[Rule]:
    """Those of ``candidates`` whose conditions all hold."""
    return (rule for rule in candidates if _first((rule,), facts))


def _first(candidates: Sequence[Rule], facts: Facts) -> Rule | None:
    """The first of ``candidates`` whose conditions all hold."""
    text, known = facts.text, facts.known
    for rule in candidates:
        # Most patterns do not hold, and a plain search for what they need finds it out much sooner.
        if rule.needles and not known:
            for needle in rule.needles:
                if needle in text:
                    break
            else:
                continue
        if holds(rule, facts):
            return rule
    return None


@lru_cache(maxsize=4096)
def stages(source: str, code: str) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """A source's rules that can concern ``code``: those that decide first, and the weak ones."""
    if source not in SOURCES:
        return (), ()
    exact, families, everywhere = _by_code(source)
    if source == "xapi" and code in _STUMBLING:
        # What clients say of a request are no words of a server that stumbled.
        everywhere = [item for item in everywhere if item[1].err not in _BLAMING]
    found = [*exact.get(code, ()), *everywhere]
    found += [item for item in families if any(_is_of(code, one) for one in item[1].code)]
    if not code:
        # A report pasted from a log often lacks its number: its words must do.
        found += [item for item in enumerate(load(source)) if item[1].code and item[1].text]
    ordered = [rule for _, rule in sorted(found, key=lambda item: item[0])]
    if source in ("transport", "qemu") or (source == "libvirt" and not code):
        # What a manager says itself is more than the number that its answer came with, and no
        # words of libvirt's.
        first = (*_MANAGERS, *_TOLD_FIRST) if source == "libvirt" else _MANAGERS
        ordered = [*(rule for rule in load(SHARED) if rule.id.startswith(first)), *ordered]
    return (
        tuple(rule for rule in ordered if not rule.weak),
        tuple(rule for rule in ordered if rule.weak),
    )


_Ranked = tuple[int, Rule]


@cache
def _by_code(source: str) -> tuple[dict[str, list[_Ranked]], list[_Ranked], list[_Ranked]]:
    exact: dict[str, list[_Ranked]] = {}
    families: list[_Ranked] = []
    everywhere: list[_Ranked] = []
    for rank, rule in enumerate(load(source)):
        if not rule.code:
            everywhere.append((rank, rule))
        if any(FAMILY in one for one in rule.code):
            families.append((rank, rule))
        for code in rule.code:
            exact.setdefault(code, []).append((rank, rule))
    return exact, families, everywhere


def _is_of(code: str, family: str) -> bool:
    """Whether ``code`` is of ``family``, a pattern with * for any letters; a code is none."""
    if FAMILY not in family:
        return False
    begin, *middle, end = family.split(FAMILY)
    within = code[len(begin) : len(code) - len(end)]
    fits = len(begin) + len(end) <= len(code) and code.startswith(begin) and code.endswith(end)
    return fits and all(part in within for part in middle)


def holds(rule: Rule, facts: Facts, *, words_only: bool = False) -> bool:
    """Whether every condition of ``rule`` but its code holds.

    ``words_only`` asks for those on words and objects alone: what a message in another language
    is known by.
    """
    if not words_only and not _circumstances_hold(rule, facts):
        return False
    if rule.id in facts.known:
        return True
    if rule.text is not None:
        # Families of words must not be met by those of an errno.
        text = facts.words if rule.weak else facts.text
        if rule.text.search(text) is None:
            return False
    return not rule.about or not rule.about.isdisjoint(facts.objects)


def _circumstances_hold(rule: Rule, facts: Facts) -> bool:
    """Whether what came with the message is as ``rule`` asks."""
    if rule.sent is not None and rule.sent != facts.fault.sent:
        return False
    if rule.operation and not _operation_holds(rule, facts):
        return False
    if rule.argument is not None:
        at, values = rule.argument.at, rule.argument.values
        given = facts.arguments if at is None else facts.arguments[at : at + 1]
        if not any(argument.lower() in values for argument in given):
            return False
    return not rule.errno or not rule.errno.isdisjoint(facts.errnos)


def _operation_holds(rule: Rule, facts: Facts) -> bool:
    named = facts.call in rule.operation
    return named or not facts.groups.isdisjoint(rule.operation)


def _default_for(facts: Facts) -> Rule:
    fault = facts.fault
    if not fault.code and not facts.text.strip() and fault.cause is None:
        return _UNKNOWN
    if "@state" in facts.groups:
        return _STATE
    # What only reads commands no machine.
    return _GUEST if "@guest" in facts.groups and "@read" not in facts.groups else _OTHER
