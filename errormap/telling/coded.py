"""What the tables of codes say of a fault that its code decided."""

from __future__ import annotations

from virtcim.errormap.codes.table import Code, find
from virtcim.errormap.reading.facts import Facts
from virtcim.errormap.reading.text import one_line
from virtcim.errormap.rules import PLACEHOLDER, Rule
from virtcim.errormap.telling.filling import filled
from virtcim.errormap.telling.named import Values, is_reference

__all__ = ["arguments", "is_narrow", "meaning", "sentence", "steps"]

_NO_TABLE = "default"
_VALUE_LENGTH = 300


def is_narrow(rule: Rule) -> bool:
    """Whether ``rule`` asks for more than a code, so that it says more than the code does."""
    return (
        not rule.code or bool(rule.operation) or rule.argument is not None or _reads_the_text(rule)
    )


def meaning(rule: Rule, facts: Facts) -> Code | None:
    """What is known of the fault's code; None where not the code decided, or nothing is known."""
    source = facts.fault.source
    by_code = rule.source == source and bool(rule.code) and not _reads_the_text(rule)
    if not by_code and rule.source != _NO_TABLE:
        return None
    return find(source, facts.fault.code)


def arguments(code: Code, facts: Facts) -> Values:
    """What the fault gives for the arguments that ``code`` declares; references are left out."""
    # A server may send more arguments than it documents, or fewer.
    pairs = zip(code.arguments, facts.fault.arguments, strict=False)
    bounded = {name: one_line(text, _VALUE_LENGTH) for name, text in pairs if name}
    return {name: (text, "") for name, text in bounded.items() if text and not is_reference(text)}


def sentence(code: Code, facts: Facts, language: str) -> str:
    """The sentence for ``code`` with the fault's own arguments, or the one without them."""
    values = arguments(code, facts)
    told = filled(code.sentence, lambda name: values.get(name, ("", "")), language)
    return told or filled(code.without, lambda _: ("", ""), language)


def steps(code: Code, facts: Facts, language: str) -> tuple[str, ...]:
    """The actions that can be filled with the fault's own arguments."""
    values = arguments(code, facts)
    return tuple(
        filled(text, lambda name: values.get(name, ("", "")), language)
        for text in code.actions
        if all(match[1] in values for match in PLACEHOLDER.finditer(text))
    )


def _reads_the_text(rule: Rule) -> bool:
    return rule.text is not None or bool(rule.errno) or bool(rule.about)
