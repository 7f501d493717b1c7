"""The sentence for a person, and the text that CIM clients see."""

from __future__ import annotations

from virtcim.errormap.engine import decide
from virtcim.errormap.fault import ErrorCode, Fault, StandardError
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.text import one_line
from virtcim.errormap.rules import Rule
from virtcim.errormap.telling import coded
from virtcim.errormap.telling.advice import sentence
from virtcim.errormap.telling.detail import detail
from virtcim.errormap.telling.filling import filled
from virtcim.errormap.telling.language import ENGLISH, catalogue
from virtcim.errormap.telling.named import from_rule, positional
from virtcim.errormap.vocabulary import vocabulary

__all__ = ["cim_message", "detail", "general_message", "message", "own_message"]

_CIM_LENGTH = 2500
_VALUE_LENGTH = 300


def message(rule: Rule, facts: Facts, fault: Fault, language: str = ENGLISH) -> str:
    """The sentence for a person with the source's own words behind it, on one line.

    ``facts`` are those of the fault that decided (``fault`` itself or one nested in it).
    """
    return f"{_sentence(rule, facts, language)} [{detail(fault)}]"


def general_message(code: ErrorCode, fault: Fault, language: str = ENGLISH) -> str:
    """The sentence of the code itself with the source's own words behind it, on one line."""
    return f"{catalogue(language).gettext(vocabulary()[code].sentence)} [{detail(fault)}]"


def cim_message(error: StandardError, language: str = ENGLISH) -> str:
    """The description of a failed CIM operation: the code's name, then the message.

    One line without control characters, at most 2500 characters. The code and the source's own
    words are the same in every language.
    """
    told = error.message
    if language != ENGLISH:
        decision = decide(error.fault)
        # A failure that was decided by an older table keeps its code.
        same = decision.rule.err is error.code
        told = (
            message(decision.rule, decision.facts, error.fault, language)
            if same
            else general_message(error.code, error.fault, language)
        )
    return one_line(f"{error.code.name}: {told}", _CIM_LENGTH)


def own_message(code: ErrorCode, text: str, language: str = ENGLISH) -> str:
    """The description of a failure that virtcim itself found: the code's name, then ``text``.

    ``text`` is English; another language has the code's sentence, and ``text`` behind it as the
    words of a source.
    """
    if language == ENGLISH:
        return f"{code.name}: {text}"
    return (
        f"{code.name}: {catalogue(language).gettext(vocabulary()[code].sentence)} [virtcim: {text}]"
    )


def _sentence(rule: Rule, facts: Facts, language: str) -> str:
    """The most telling sentence that can be filled.

    That is the one that the table of advice has for this rule, the own one of a rule that asks for
    more than a code, the code's, the rule's after all, what the table has for any rule, and last
    the one of the standard code. A number of libvirt's says little: what its words name goes first.
    """
    found = sentence(rule, facts, language, for_rule=True)
    if not found and coded.is_narrow(rule):
        found = _own(rule, facts, language)
    if not found and facts.fault.source == "libvirt":
        found = sentence(rule, facts, language, for_rule=False)
    code = None if found else coded.meaning(rule, facts)
    if code is not None:
        found = coded.sentence(code, facts, language)
    found = found or _own(rule, facts, language)
    found = found or sentence(rule, facts, language, for_rule=False)
    return found or catalogue(language).gettext(vocabulary()[rule.err].sentence)


def _own(rule: Rule, facts: Facts, language: str) -> str:
    if not rule.say:
        return ""
    values = positional(facts) | from_rule(rule, facts) if "{" in rule.say else {}
    return filled(rule.say, lambda name: _bounded(values.get(name, ("", ""))), language)


def _bounded(value: tuple[str, str]) -> tuple[str, str]:
    text, unit = value
    return one_line(text, _VALUE_LENGTH), unit
