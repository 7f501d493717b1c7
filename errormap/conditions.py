"""What must hold for a rule, in words."""

from __future__ import annotations

from virtcim.errormap.rules import LIKENESS, Rule

__all__ = ["conditions"]


def conditions(rule: Rule) -> str:
    """What must hold for ``rule``, on one line for people."""
    parts = []
    if rule.source == LIKENESS:
        parts.append("no other rule holds; the words are those of known faults")
    if rule.code:
        parts.append(f"code {' | '.join(rule.code)}")
    if rule.operation:
        parts.append(f"operation {' | '.join(rule.operation)}")
    if rule.argument is not None:
        where = "an argument" if rule.argument.at is None else f"argument {rule.argument.at + 1}"
        parts.append(f"{where} {' | '.join(sorted(rule.argument.values))}")
    if rule.about:
        parts.append(f"about {' | '.join(sorted(rule.about))}")
    if rule.errno:
        parts.append(f"errno {' | '.join(sorted(rule.errno))}")
    if rule.sent is not None:
        parts.append("a change was sent" if rule.sent else "no change was sent")
    if rule.text is not None:
        parts.append(f"text /{rule.text.pattern}/")
    if rule.weak:
        parts.append("and nothing else is known")
    return "; ".join(parts) or "no other rule holds"
