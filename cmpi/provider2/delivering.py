"""Indications of providers on their way to the CIM server, from any thread."""

from __future__ import annotations

import threading

import pywbem

from virtcim.cmpi.blocks import text_block
from virtcim.cmpi.provider2.writing import PywbemWriter
from virtcim.cmpi.request import Call, Delivery

__all__ = ["Deliverer"]


class Deliverer:
    """Delivers as long as the server lets it; safe in many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delivery: Delivery | None = None
        self._writer = PywbemWriter(embeds=False)
        self._serving = threading.local()

    @property
    def is_open(self) -> bool:
        """Whether the server can be told something."""
        return self._delivery is not None

    def open(self, call: Call, writer: PywbemWriter) -> None:
        """Take a way to the server, unless there is one. Raises CIMError where it has none."""
        with self._lock:
            if self._delivery is not None:
                return
            self._delivery, self._writer = call.delivery(), writer
            if self._delivery is None:
                raise pywbem.CIMError(
                    pywbem.CIM_ERR_NOT_SUPPORTED,
                    "the CIM server lets no thread of ours deliver indications",
                )

    def deliver(self, namespace: str, indication: pywbem.CIMInstance) -> None:
        """Deliver one. Raises CIMError where the server would not have it."""
        writer = self._writer
        block = text_block(namespace) + writer.instance(indication, None, namespace)
        if not getattr(self._serving, "is_served", False):
            why = self._hand_over(block)
        else:
            # The thread of a request is the server's already, and cannot be made so again.
            told: list[str] = []
            thread = threading.Thread(target=lambda: told.append(self._hand_over(block)))
            thread.start()
            thread.join()
            why = told[0] if told else "a thread failed"
        if why:
            raise pywbem.CIMError(
                pywbem.CIM_ERR_FAILED, f"an indication of {indication.classname} is lost: {why}"
            )

    def _hand_over(self, block: bytes) -> str:
        with self._lock:
            if self._delivery is None:
                return "the CIM server has not enabled indications"
            return self._delivery.deliver(block)

    def serving(self, is_served: bool) -> None:
        """This thread serves a request of the server's, or does so no more."""
        self._serving.is_served = is_served

    def close(self) -> None:
        """Deliver nothing any more; no thread uses the server when this returns."""
        with self._lock:
            delivery, self._delivery = self._delivery, None
            if delivery is not None:
                delivery.close()
