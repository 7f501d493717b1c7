"""Whether libvirt's messages are the English ones, from whose words causes of errors are told."""

from __future__ import annotations

import logging

import libvirt

from virtcim.toolstack.native.connection import LibvirtConnection

__all__ = ["MessageLanguage"]

_log = logging.getLogger(__name__)

# libvirt accepts no domain with this UUID. Its message for one that is not there begins so.
_NOBODY = bytes(16)
_ENGLISH = "domain not found"


class MessageLanguage:
    """Looks, once for each connection, and warns when libvirtd begins to speak another language."""

    def __init__(self) -> None:
        self._warned = False

    def look(self, connection: LibvirtConnection) -> None:
        """Ask for a domain that does not exist; raises XapiFailure when the connection is lost."""
        try:
            connection.call(connection.handle.lookupByUUID, _NOBODY)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                return  # it says nothing about the language
            message = error.get_error_message() or ""
            translated = bool(message) and not message.lower().startswith(_ENGLISH)
            if translated and not self._warned:
                _log.warning(
                    "libvirt at %s sends its messages in another language (%r): the causes of "
                    "many errors will not be recognized. Set LC_ALL=C for libvirtd: "
                    "Environment=LC_ALL=C in the [Service] section of its unit",
                    connection.uri,
                    message,
                )
            self._warned = translated
