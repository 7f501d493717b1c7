"""The vocabulary of failures, and the translation of every hypervisor fault into it.

``from_*`` build a Fault from what a source reported; ``translate`` finds its standard code.
Needs nothing but the standard library.
"""

from virtcim.errormap._libvirt import from_libvirt
from virtcim.errormap._qemu import from_qemu
from virtcim.errormap._record import from_record
from virtcim.errormap._transport import from_transport
from virtcim.errormap._words import from_words
from virtcim.errormap._xapi import from_xapi
from virtcim.errormap._xend import from_xend
from virtcim.errormap.fault import ErrorCode, Fault, HypervisorError, Source, StandardError
from virtcim.errormap.messages import cim_message
from virtcim.errormap.operations import changes_state
from virtcim.errormap.rules import Argument, Rule, TableError, rules
from virtcim.errormap.translation import TABLE_VERSION, Explanation, Lost, explain, translate

__all__ = [
    "TABLE_VERSION",
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
    "changes_state",
    "cim_message",
    "explain",
    "from_libvirt",
    "from_qemu",
    "from_record",
    "from_transport",
    "from_words",
    "from_xapi",
    "from_xend",
    "rules",
    "translate",
]
