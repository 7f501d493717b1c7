"""Asking further: what the XenAPI can still tell of a failure whose code hides the reason.

``_TABLE`` says which code leads to which questions. They only read, are put while the fault is
fresh, and what they give is added to the fault; the fault itself is never changed or replaced.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from virtcim.errormap import ErrorCode, Fault, HypervisorError, explain, translate
from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.model import Host, Inventory, Network, StorageRepository, VirtualSystem
from virtcim.hypervisor.xenapi.questions import QUESTIONS, Learned, Question, Subject
from virtcim.hypervisor.xenapi.session import XenApiSession

__all__ = ["Inquirer"]

_log = logging.getLogger(__name__)

_BUDGET_S = 5.0
_AT_ONCE = 4
_SAID_LENGTH = 300

_GENERIC = frozenset(
    {
        ErrorCode.ERR_VM_CONTROL_OP_FAILED,
        ErrorCode.ERR_UNKNOWN,
        ErrorCode.ERR_OPERATION_FAILED,
    }
)
# What a host is at the moment tells less than what the virtual machine lacks there.
_OF_THE_HOST = frozenset(
    {
        ErrorCode.ERR_WRONG_STATE_FOR_OP,
        ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED,
        ErrorCode.ERR_HOST_NOT_FOUND,
    }
)
# Answers that say something of the question or of us, nothing of what failed.
_NO_ANSWERS = frozenset(
    {
        "Fault",
        "HOST_IS_SLAVE",
        "MESSAGE_DEPRECATED",
        "MESSAGE_METHOD_UNKNOWN",
        "MESSAGE_PARAMETER_COUNT_MISMATCH",
        "MESSAGE_REMOVED",
        "NOT_IMPLEMENTED",
        "RBAC_PERMISSION_DENIED",
        "SESSION_INVALID",
        "TOO_MANY_PENDING_TASKS",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is asked after a code; ``unless_clear``: only where its arguments tell nothing."""

    codes: tuple[str, ...]
    questions: tuple[str, ...]
    unless_clear: bool = False


_TABLE = (
    _Row(codes=("NO_HOSTS_AVAILABLE",), questions=("hosts",)),
    _Row(
        codes=(
            "VM_HOST_INCOMPATIBLE_VERSION",
            "VM_HOST_INCOMPATIBLE_VERSION_MIGRATE",
            "VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION",
            "VM_INCOMPATIBLE_WITH_THIS_HOST",
        ),
        questions=("hosts",),
    ),
    _Row(codes=("HOST_NOT_ENOUGH_FREE_MEMORY", "VMS_FAILED_TO_COOPERATE"), questions=("memory",)),
    _Row(codes=("VDI_IO_ERROR", "VDI_COPY_FAILED", "MIRROR_FAILED"), questions=("storage",)),
    _Row(
        codes=("INTERNAL_ERROR", "INTERNAL ERROR"),
        questions=("subtasks", "storage", "hosts"),
        unless_clear=True,
    ),
    _Row(
        codes=("BOOTLOADER_FAILED", "DOMAIN_BUILDER_ERROR", "FAILED_TO_START_EMULATOR"),
        questions=("storage", "hosts"),
        unless_clear=True,
    ),
    _Row(codes=("SR_BACKEND_FAILURE*",), questions=("storage",), unless_clear=True),
)


class Inquirer:
    """Asks once more after failures; safe to use from many threads."""

    def __init__(
        self, session: XenApiSession, store: InventoryStore, budget_s: float = _BUDGET_S
    ) -> None:
        self._session = session
        self._store = store
        self._budget_s = budget_s

    def asked_further(self, fault: Fault, params: Sequence[object], task_ref: str = "") -> Fault:
        """``fault`` with what can still be learned of it, within the time budget.

        ``params`` are those of the call that failed. What every host, disk and repository
        answered becomes ``text``, the most telling answer ``cause``. Never raises: where nothing
        can be learned, the fault stays as it is.
        """
        row = _row_for(fault)
        if row is None:
            return fault
        try:
            inventory = self._store.read()
            subject = Subject.of(inventory, fault.operation, params, task_ref)
            names = _names(inventory)
        except HypervisorError as exc:
            # No connection, or a class that cannot be read.
            _log.debug("nobody can be asked about %s: %s", fault.code, exc)
            return fault
        learned = self._ask([each for name in row.questions for each in QUESTIONS[name](subject)])
        return _enriched(fault, list(_telling(fault, learned)), names)

    def _ask(self, questions: Sequence[Question]) -> list[Learned]:
        """What the questions gave within the budget, in their order; late answers are dropped."""
        if not questions:
            return []
        deadline = time.monotonic() + self._budget_s

        def call(method: str, *params: object) -> Any:
            left_s = max(deadline - time.monotonic(), 0.01)
            return self._session.call(method, *params, read_timeout_s=left_s)

        executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="inquiry")
        try:
            futures = [executor.submit(_answered, question, call) for question in questions]
        except RuntimeError as exc:  # no more threads, or the process is ending
            _log.debug("nothing can be asked: %s", exc)
            executor.shutdown(wait=False, cancel_futures=True)
            return []
        done, late = wait(futures, timeout=self._budget_s)
        executor.shutdown(wait=False, cancel_futures=True)
        if late:
            _log.debug("%d of %d questions took too long", len(late), len(questions))
        answers = []
        for future in futures:
            if future not in done:
                continue
            if (failure := future.exception()) is not None:
                _log.debug("a question failed", exc_info=failure)
            else:
                answers += future.result()
        return answers


def _answered(question: Question, call: Callable[..., Any]) -> list[Learned]:
    """What one question gave; that it was refused is an answer, too."""
    try:
        return list(question.put(call))
    except HypervisorError as exc:
        return [Learned(about=question.about, fault=exc.fault, by_host=question.by_host)]


def _row_for(fault: Fault) -> _Row | None:
    """What to ask, None where the fault says enough by itself."""
    if fault.source != "xapi" or fault.cause is not None:
        return None
    for row in _TABLE:
        for code in row.codes:
            if fault.code == code or (code[-1] == "*" and fault.code.startswith(code[:-1])):
                clear = row.unless_clear and translate(fault).code not in _GENERIC
                return None if clear else row
    return None


def _telling(fault: Fault, learned: Sequence[Learned]) -> Iterator[Learned]:
    for each in learned:
        if each.fault is None:
            yield each
        elif not _is_answer(each.fault):
            _log.debug("%s: no answer: %s", each.about, HypervisorError(each.fault))
        elif each.fault.code != fault.code:
            yield each


def _is_answer(fault: Fault) -> bool:
    if fault.source != "xapi" or fault.code in _NO_ANSWERS:
        return False
    return not fault.code.startswith("INTERNAL") or translate(fault).code not in _GENERIC


def _enriched(fault: Fault, learned: Sequence[Learned], names: Mapping[str, str]) -> Fault:
    if not learned:
        return fault
    said = "; ".join(filter(None, [fault.text, *(_said(each, names) for each in learned)]))
    cause = _most_telling(learned)
    explained = replace(fault, text=said, cause=cause)
    return explained if _decides(cause, explained) else replace(explained, cause=None)


def _most_telling(learned: Sequence[Learned]) -> Fault | None:
    """The answer that explains most: the most frequent one of the most specific kind."""
    # Where one host would have done, what the others lack was not the reason.
    accepted = any(each.by_host and each.fault is None for each in learned)
    causes = [each.fault for each in learned if each.fault and not (accepted and each.by_host)]
    codes = [translate(cause).code for cause in causes]
    frequency = Counter(codes)
    ranked = zip(codes, causes, strict=True)

    def rank(item: tuple[ErrorCode, Fault]) -> tuple[bool, bool, int]:
        code, _ = item
        return code in _GENERIC, code in _OF_THE_HOST, -frequency[code]

    return min(ranked, key=rank)[1] if causes else None


def _decides(cause: Fault | None, explained: Fault) -> bool:
    """Whether the cause names the failure better than the fault's own code does."""
    if cause is None or explain(explained).path[-1] is explained:
        return False
    own = translate(replace(explained, cause=None)).code
    vague = own in _GENERIC or own is ErrorCode.ERR_HOST_NOT_FOUND
    return vague or translate(cause).code not in _GENERIC


def _said(learned: Learned, names: Mapping[str, str]) -> str:
    """One answer for a person, with names instead of references."""
    said = learned.said
    if learned.fault is not None:
        words = [names.get(word, word) for word in learned.fault.arguments]
        said = " ".join([learned.fault.code, *filter(None, words)])
    return f"{learned.about}: {said[:_SAID_LENGTH]}"


def _names(inventory: Inventory) -> Mapping[str, str]:
    groups: tuple[Iterable[Host | Network | StorageRepository | VirtualSystem], ...] = (
        inventory.hosts.values(),
        inventory.networks.values(),
        inventory.storage_repositories.values(),
        inventory.virtual_systems.values(),
    )
    return {each.ref: each.name_label for group in groups for each in group}
