"""One fault in parts, as rules look at it: its messages, its errno, what it is about.

Nothing is decided here. A source's own prefix is off, lines apart, the echoed option off but its
kind kept, and what a nested fault holds is left to that fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtcim.errormap.command_lines import START
from virtcim.errormap.fault import Fault
from virtcim.errormap.operations import UNNAMED, groups_of, native
from virtcim.errormap.patterns import later
from virtcim.errormap.reading.errnos import errnos_in, named, without_phrases
from virtcim.errormap.reading.lines import Message, image_tool, messages
from virtcim.errormap.reading.objects import Material, objects_of
from virtcim.errormap.reading.prefixes import domain_name, without_prefix
from virtcim.errormap.reading.text import as_integer, searched
from virtcim.errormap.reading.translated import NOTHING, Translated, recognised
from virtcim.errormap.reading.xen_lines import of_libxl, telling_lines
from virtcim.errormap.told import groups_told

__all__ = ["Facts"]

# xend prints what the hypervisor library raised: (errno, text), or (libxc code, text, detail).
_TUPLE = later(r"\((?P<number>[0-9]{1,4}), (?:'[^']{0,300}'|\"[^\"]{0,300}\")\)")
# int1 is an errno where the number is VIR_ERR_SYSTEM_ERROR, or where nobody knows the number.
_WITH_ERRNO = ("38", "")
# The argument that names a program which speaks.
_BY = "program="
# Sources whose text is what a program printed, line by line.
_PRINTED = ("libvirt", "qemu")

# Where nobody says what was asked, parts of machines tell that one was operated.
_OF_MACHINES = frozenset(
    (
        "agent",
        "character_device",
        "cpu",
        "display",
        "host_device",
        "hugepages",
        "memory",
        "migration",
        "monitor",
        "security_label",
        "sound",
        "tpm",
    )
)


class Facts:
    """One message of a fault as the rules see it; everything costly is worked out at most once.

    ``place`` counts the messages of the fault, the one that decides first being 0; ``around`` is
    the fault that this one is nested in.
    """

    __slots__ = (
        "_around",
        "_errnos",
        "_groups",
        "_message",
        "_objects",
        "_text",
        "_words",
        "fault",
        "place",
    )

    def __init__(
        self,
        fault: Fault,
        message: Message | None = None,
        place: int = 0,
        around: Facts | None = None,
    ) -> None:
        self.fault = fault
        self._around = around
        self.place = place
        self._message = message
        self._text: str | None = None
        self._words: str | None = None
        self._groups: frozenset[str] | None = None
        self._errnos: frozenset[str] | None = None
        self._objects: frozenset[str] | None = None

    @property
    def original(self) -> str:
        """The source's own words, as it spelled them, without what is no part of the message."""
        return self.message.text

    @property
    def message(self) -> Message:
        """The message that is looked at; of several the one that decides first."""
        if self._message is None:
            self._message = _messages(self.fault)[self.place]
        return self._message

    @property
    def text(self) -> str:
        """The message as patterns are held against it."""
        if self._text is None:
            self._text = searched(self.message.text)
        return self._text

    @property
    def words(self) -> str:
        """The message without the words of errno, which say how and never what."""
        if self._words is None:
            self._words = without_phrases(self.text)
        return self._words

    @property
    def groups(self) -> frozenset[str]:
        """The groups of the operation, as ``@boot``; where it is not known, what is told of it."""
        if self._groups is None:
            self._groups = groups_of(self.call, self.fault.source)
            if self._groups == UNNAMED:
                told = groups_told(self.fault.text or self.original, self.call)
                outer = self._around.groups if self._around is not None and not told else UNNAMED
                self._groups = told or outer
                parts = self.fault.source == "libvirt" and not self.call
                if parts and self._groups == UNNAMED and not self.objects.isdisjoint(_OF_MACHINES):
                    self._groups = UNNAMED | {"@guest"}
        return self._groups

    @property
    def call(self) -> str:
        """The source's name of the operation.

        What an emulator prints while it ends, and no call is named, ended the start of a machine.
        """
        fault = self.fault
        ended = fault.source == "qemu" and fault.code in ("", "exit")
        if fault.operation or not ended or image_tool(fault.text):
            return native(fault.operation)
        return START

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments, libvirt's domain by its name also where its number was given."""
        given = self.fault.arguments
        if self.fault.source == "libvirt" and len(given) > 1:
            return (given[0], domain_name(given[1]), *given[2:])
        return given

    @property
    def errnos(self) -> frozenset[str]:
        """Symbolic errno names: from the number where the source gives it, else from the text."""
        if self._errnos is None:
            name = named(self._errno_number())
            self._errnos = frozenset([name]) if name else errnos_in(self.text)
            if not self._errnos and self._translated().errno:
                self._errnos = frozenset([named(self._translated().errno)])
        return self._errnos

    @property
    def known(self) -> frozenset[str]:
        """The rules whose words the message meets in another language."""
        return self._translated().rules

    @property
    def objects(self) -> frozenset[str]:
        """What the message is about, by the table of evidence."""
        if self._objects is None:
            fault = self.fault
            domain = self.arguments[1] if fault.source == "libvirt" and fault.arguments[1:] else ""
            programs = (one[len(_BY) :] for one in fault.arguments if one.startswith(_BY))
            calls = (
                self.call,
                fault.code,
                *(programs if fault.source == "qemu" else ()),
            )
            report = fault.text.lower() if fault.source == "qemu" and "\n" in fault.text else ""
            option = self.message.option
            material = Material(self.words, option, domain, calls, self.errnos, report)
            self._objects = objects_of(material)
        return self._objects

    def others(self) -> Iterator[Facts]:
        """The other messages of the fault, for when this one says nothing."""
        for place, message in enumerate(_messages(self.fault)[1:], 1):
            yield Facts(self.fault, message, place, self._around)

    def _translated(self) -> Translated:
        """What is known of the message where it is in another language than English."""
        fault = self.fault
        if fault.source != "libvirt" or (fault.code and self.message.text.isascii()):
            return NOTHING
        return recognised(self.message.text)

    def _errno_number(self) -> int:
        fault = self.fault
        given: int | None = None
        if fault.source == "libvirt" and fault.code in _WITH_ERRNO and len(fault.arguments) > 3:
            given = as_integer(fault.arguments[3])
        elif fault.source == "transport" and len(fault.arguments) > 2:
            given = as_integer(fault.arguments[2])
        elif fault.source == "xend" and (printed := _TUPLE.search(self.text)):
            given = int(printed["number"])
        return given or 0


def _messages(fault: Fault) -> tuple[Message, ...]:
    """The messages of ``fault`` without what a nested fault says for itself."""
    if fault.source == "xapi":
        return (Message("\n".join(fault.arguments), ""),)
    text = fault.text
    if fault.cause is not None and fault.cause.text:
        nested = fault.cause.text
        # Printed with quotes around it, its ends of lines are others.
        for said in [nested] if nested in text else nested.splitlines():
            text = text.replace(said, " ") if said.strip() else text
    if fault.source == "xend":
        said = telling_lines(text)
        return (Message(said, ""), *(Message(one, "") for one in of_libxl(said)))
    if fault.source not in _PRINTED:
        return (Message(text, ""),)
    found = messages(text)
    if fault.source == "libvirt":
        bare = [one._replace(text=without_prefix(one.text, fault.code)) for one in found]
        # The line that says what its number is for goes before what a program says around it.
        return tuple(sorted(bare, key=lambda one: one in found) if bare[1:] else bare)
    return found
