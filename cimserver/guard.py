"""Who may do what, and the audit line of what was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from virtcim.cim.path_text import path_text
from virtcim.cim.records import CimError, ObjectPath, Value
from virtcim.cimserver.permissions import METHODS, OPERATIONS, WRITTEN_CLASSES, Permission
from virtcim.daemon.audit import Audit, AuditEntry, Outcome
from virtcim.daemon.requester import Requester
from virtcim.daemon.roles import Role, may_touch
from virtcim.providers import METHODS as SERVED_METHODS
from virtcim.providers import ClassModel, ErrorCode, failure, failure_of

__all__ = ["Deed", "Guard", "shown_values"]

_MOST_GRANTED = 256
_ADMINISTERS = Permission(role=Role.ADMINISTER, changes=True)


@dataclass(slots=True, kw_only=True)
class Deed:
    """What the audit line of an operation says of its success; whoever does it fills it in."""

    outcome: Outcome = Outcome.DONE
    job: str = ""
    details: dict[str, object] = field(default_factory=dict)


class Guard:
    """What one requester may do; whatever changes something is done in a block of the guard."""

    def __init__(
        self,
        requester: Requester,
        classes: ClassModel,
        audit: Audit,
        namespaces: Sequence[str],
        *,
        methods: Mapping[tuple[str, str], Permission] = METHODS,
    ) -> None:
        self.requester = requester
        self._classes = classes
        self._audit = audit
        self._namespaces = namespaces
        self._methods = methods
        self._granted: set[tuple[str, str]] = set()

    @property
    def administers_all(self) -> bool:
        """Whether the requester may see whatever there is, also what others have made."""
        return self.requester.rights.may_everywhere(Role.ADMINISTER, self._namespaces)

    def sees(self, namespace: str) -> bool:
        """Whether the requester may read a namespace."""
        return self.requester.rights.may(Role.READ, namespace)

    def administers(self, namespace: str) -> bool:
        """Whether the requester may also touch what others have made in a namespace."""
        return self.requester.rights.may(Role.ADMINISTER, namespace)

    def may_touch(self, owner: str, namespace: str) -> bool:
        """Whether the requester may use, change and delete what ``owner`` has made there."""
        return may_touch(
            self.requester.rights, user=self.requester.user, owner=owner, scope=namespace
        )

    def require(self, permission: Permission | None, namespace: str, what: str) -> None:
        """Raise CimError (access denied) unless the requester may do ``what`` in a namespace."""
        if permission is not None and self.requester.rights.may(permission.role, namespace):
            return
        role = self.requester.rights.role(namespace)
        raise failure(
            ErrorCode.ERR_ACCESS_DENIED,
            f"the user {self.requester.user!r} has "
            f"{'no role' if role is None else f'the role {role.word}'} in {namespace}; {what} "
            + (
                "is allowed to nobody"
                if permission is None
                else f"needs the role {permission.role.word}"
            ),
        )

    def require_operation(self, name: str, namespace: str) -> None:
        """Raise CimError unless the requester may use an intrinsic operation in a namespace."""
        asked = name, namespace
        if asked in self._granted:
            return
        self.require(OPERATIONS.get(name.lower()), namespace, name)
        # What the requester may do never changes; clients spell both in many ways.
        if len(self._granted) < _MOST_GRANTED:
            self._granted.add(asked)

    @contextmanager
    def writing(
        self, operation: str, path: ObjectPath, details: Mapping[str, object] | None = None
    ) -> Iterator[Deed]:
        """Do CreateInstance, ModifyInstance, SetProperty or DeleteInstance within the block.

        Raises CimError where the requester may not write the class; whether it is his own is for
        whoever knows the instance (``roles.may_touch``). The end of the block, also by an
        exception, leaves the audit line.
        """
        permission = self._strictest(
            WRITTEN_CLASSES[name] for name in WRITTEN_CLASSES if self._is_kin(name, path.class_name)
        )
        with self._changing(permission or _ADMINISTERS, operation, path, details or {}) as deed:
            yield deed

    @contextmanager
    def invoking(
        self, method: str, path: ObjectPath, parameters: Mapping[str, Value]
    ) -> Iterator[Deed]:
        """Invoke an extrinsic method of ``path`` within the block, as ``writing`` does."""
        permission = self._method_permission(method, path.class_name)
        if permission is not None and not permission.changes:
            self.require(permission, path.namespace, method)
            yield Deed()
            return
        details = {"parameters": shown_values(parameters)}
        with self._changing(permission, method, path, details) as deed:
            yield deed

    @contextmanager
    def _changing(
        self,
        permission: Permission | None,
        operation: str,
        path: ObjectPath,
        details: Mapping[str, object],
    ) -> Iterator[Deed]:
        deed, error, fault = Deed(), "", ""
        try:
            # In the block: who is refused leaves a line, too.
            self.require(permission, path.namespace, operation)
            yield deed
        except CimError as exc:
            code = failure_of(exc).code
            deed.outcome = _outcome(exc, code)
            error, fault = code.name, _fault(exc)
            raise
        except BaseException:
            deed.outcome, error = Outcome.FAILED, ErrorCode.ERR_UNKNOWN.name
            raise
        finally:
            self._audit.record(
                AuditEntry(
                    operation=operation,
                    outcome=deed.outcome,
                    user=self.requester.user,
                    peer=self.requester.peer,
                    target=path_text(path),
                    error=error,
                    fault=fault,
                    job=deed.job,
                    details={**details, **deed.details},
                )
            )

    def _method_permission(self, method: str, class_name: str) -> Permission | None:
        """What a method of a class needs; a class may be named by a superclass."""
        name = method.lower()
        kin = {
            key
            for key in {*self._methods, *SERVED_METHODS}
            if key[1] == name and self._is_kin(key[0], class_name)
        }
        if kin - self._methods.keys():
            return None
        return self._strictest(self._methods[key] for key in kin) or _ADMINISTERS

    def _is_kin(self, listed: str, named: str) -> bool:
        return self._classes.is_a(named, listed) or self._classes.is_a(listed, named)

    @staticmethod
    def _strictest(permissions: Iterable[Permission]) -> Permission | None:
        return max(permissions, key=lambda one: (one.role, one.changes), default=None)


def shown_values(values: Mapping[str, Value], *, without: str = "") -> dict[str, object]:
    """What tells an operation from others: objects, numbers and flags, and no text of settings."""
    shown: dict[str, object] = {}
    for name, value in values.items():
        if name == without:
            continue
        if isinstance(value, ObjectPath):
            shown[name] = path_text(value)
        elif isinstance(value, bool | int):
            shown[name] = value
        elif isinstance(value, list):
            paths = [path_text(one) for one in value if isinstance(one, ObjectPath)]
            if paths:
                shown[name] = paths
    return shown


def _outcome(error: CimError, code: ErrorCode) -> Outcome:
    if code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE:
        return Outcome.UNKNOWN
    # What the hypervisor denies was begun by us.
    is_ours = failure_of(error).standard is None
    return Outcome.REFUSED if is_ours and code is ErrorCode.ERR_ACCESS_DENIED else Outcome.FAILED


def _fault(error: CimError) -> str:
    standard = failure_of(error).standard
    return "" if standard is None else standard.fault.code
