"""Other people's domain descriptions: edited in place, with everything else as it was."""

from __future__ import annotations

from virtcim.toolstack.documents.document import (
    Document,
    Element,
    child_of,
    parse_element,
    set_text,
    to_xml,
)

__all__ = ["Document", "Element", "child_of", "parse_element", "set_text", "to_xml"]
