"""The vocabulary of failures, and the translation of every hypervisor fault into it.

``from_*`` build a Fault from what a source reported; ``translate`` finds its standard code.
Needs nothing but the standard library.
"""

from virtcim.errormap._libvirt import from_libvirt, from_libvirt_event
from virtcim.errormap._qemu import from_qemu
from virtcim.errormap._record import from_record
from virtcim.errormap._transport import from_transport
from virtcim.errormap._words import from_words
from virtcim.errormap._xapi import from_xapi
from virtcim.errormap._xend import from_xend
from virtcim.errormap.advice import Advice, advice, general_advice
from virtcim.errormap.fault import ErrorCode, Fault, HypervisorError, Source, StandardError
from virtcim.errormap.language import (
    ENGLISH,
    accepted_language,
    environment_language,
    languages,
)
from virtcim.errormap.messages import cim_message, own_message
from virtcim.errormap.operations import changes_state
from virtcim.errormap.rules import Argument, Rule, TableError, rules
from virtcim.errormap.translation import TABLE_VERSION, Explanation, Lost, explain, translate

__all__ = [
    "ENGLISH",
    "TABLE_VERSION",
    "Advice",
    "Argument",
    "ErrorCode",
    "Explanation",
    "Fault",
    "HypervisorError",
    "Lost",
    "Rule",
    "Source",
    "StandardError",
    "TableError",
    "accepted_language",
    "advice",
    "changes_state",
    "cim_message",
    "environment_language",
    "explain",
    "from_libvirt",
    "from_libvirt_event",
    "from_qemu",
    "from_record",
    "from_transport",
    "from_words",
    "from_xapi",
    "from_xend",
    "general_advice",
    "languages",
    "own_message",
    "rules",
    "translate",
]
