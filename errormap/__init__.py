"""The vocabulary of failures, and the translation of every hypervisor fault into it.

``from_*`` build a Fault from what a source reported; ``translate`` finds its standard code.
Needs nothing but the standard library.
"""

from virtcim.errormap.fault import ErrorCode, Fault, HypervisorError, Source, StandardError
from virtcim.errormap.forms.libvirt import from_libvirt, from_libvirt_event
from virtcim.errormap.forms.qemu import from_qemu
from virtcim.errormap.forms.record import from_record
from virtcim.errormap.forms.transport import from_transport
from virtcim.errormap.forms.words import from_words
from virtcim.errormap.forms.xapi import from_xapi
from virtcim.errormap.forms.xend import from_xend
from virtcim.errormap.operations import changes_state
from virtcim.errormap.rules import Argument, Rule, TableError, rules
from virtcim.errormap.telling.advice import Advice, advice, general_advice
from virtcim.errormap.telling.language import (
    ENGLISH,
    accepted_language,
    environment_language,
    languages,
)
from virtcim.errormap.telling.messages import cim_message, own_message
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
