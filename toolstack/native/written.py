"""What libvirt writes as it is, although XML reads it as something else.

libvirt 9.0 escapes ``<``, ``>``, ``&`` and quotes, but no line breaks: of a path with a newline XML
reads one with a blank, which is another file; of a name with a carriage return one with a newline.
"""

from __future__ import annotations

import re

__all__ = ["as_meant"]

# Attributes are in single quotes; what other programs keep in the metadata is in double ones.
_BROKEN = re.compile(r"='[^'<>]*[\n\t][^'<>]*'")
_METADATA = re.compile(r"^  <metadata>.*?^  </metadata>$", re.DOTALL | re.MULTILINE)


def as_meant(xml: str) -> str:
    """Give a document of libvirt's with what it should have escaped."""
    if "\r" in xml:
        xml = xml.replace("\r", "&#13;")
    # Nearly all descriptions have no line that ends within an attribute or a text.
    if "\t" not in xml and xml.count("\n") == xml.count(">\n"):
        return xml
    metadata = _METADATA.search(xml)
    if metadata is None:
        return _escaped(xml)
    before, after = xml[: metadata.start()], xml[metadata.end() :]
    return f"{_escaped(before)}{metadata[0]}{_escaped(after)}"


def _escaped(xml: str) -> str:
    return _BROKEN.sub(lambda found: found[0].replace("\n", "&#10;").replace("\t", "&#9;"), xml)
