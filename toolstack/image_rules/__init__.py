"""Images that a client names: where they may be, and in what format QEMU opens them."""

from __future__ import annotations

from virtcim.toolstack.image_rules.fence import Fence, FenceError, is_local, parse_fence
from virtcim.toolstack.image_rules.formats import DISK_FORMATS, RAW, looks_like
from virtcim.toolstack.image_rules.known import KnownImages
from virtcim.toolstack.image_rules.paths import canonical_path, in_dev, resolve_path
from virtcim.toolstack.image_rules.recorded import MadePools, RecordedFormats
from virtcim.toolstack.image_rules.source_url import (
    SourceUrl,
    SourceUrlError,
    parse_source_url,
)

__all__ = [
    "DISK_FORMATS",
    "RAW",
    "Fence",
    "FenceError",
    "KnownImages",
    "MadePools",
    "RecordedFormats",
    "SourceUrl",
    "SourceUrlError",
    "canonical_path",
    "in_dev",
    "is_local",
    "looks_like",
    "parse_fence",
    "parse_source_url",
    "resolve_path",
]
