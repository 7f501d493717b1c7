"""Roles: each operation needs one in the namespace of what it reads or changes."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator

import pytest
import pywbem

from tests.cimserver.interposed import Interposed
from tests.cimserver.population import system_path
from tests.cimserver.serving import NAMESPACE_PATH, Served, intrinsic, served
from virtcim.cim.records import CimError, ObjectPath, StatusCode
from virtcim.cimserver import CimServer
from virtcim.cimserver.guard import Guard
from virtcim.cimserver.operations.dispatch import OPERATIONS as SERVED_OPERATIONS
from virtcim.cimserver.permissions import METHODS, OPERATIONS, WRITTEN_CLASSES
from virtcim.daemon.audit import Audit
from virtcim.daemon.requester import Requester
from virtcim.daemon.roles import EVERYTHING, Role, parse_rights
from virtcim.mof import Schema
from virtcim.providers import METHODS as SERVED_METHODS

_USERS = {
    "nobody": "",
    "reader": "read@*",
    "operator": "operate@*",
    "administrator": "administer@*",
    "guest": "read@root/virt/other",
    "console": "read@root/interop",
    "tenant": "administer@root/virt/other,read@root/interop",
}
_HOST = "VirtCIM_HostSystem"
_SYSTEM = "VirtCIM_ComputerSystem"
_DENIED = StatusCode.ACCESS_DENIED

Login = Callable[[str], pywbem.WBEMConnection]


@pytest.fixture
def roles(providers: Interposed, schema: Schema) -> Iterator[Served]:
    application = CimServer(
        providers,
        schema,
        authenticate=lambda _user, password: password == "right",
        rights=lambda user: parse_rights(_USERS[user]),
    )
    with served(application) as running:
        yield running


@pytest.fixture
def login(roles: Served) -> Iterator[Login]:
    opened: list[pywbem.WBEMConnection] = []

    def log_in(user: str) -> pywbem.WBEMConnection:
        opened.append(pywbem.WBEMConnection(roles.url, (user, "right"), "root/virt"))
        return opened[-1]

    yield log_in
    for one in opened:
        one.close()


def _denial(call: Callable[..., object], *arguments: object, **named: object) -> str:
    with pytest.raises(pywbem.CIMError) as caught:
        call(*arguments, **named)
    assert caught.value.status_code == _DENIED, caught.value
    text = caught.value.status_description
    assert text.startswith("ERR_ACCESS_DENIED: ")
    [instance] = caught.value.instances
    assert (instance["MessageID"], instance["Message"]) == (
        "ERR_ACCESS_DENIED",
        text,
    )
    return str(text)


def _ask(server: Served, user: str, body: str) -> str:
    header = "Basic " + base64.b64encode(f"{user}:right".encode()).decode()
    return server.post(body, Authorization=header).text


def _is_allowed(call: Callable[..., object], *arguments: object, **named: object) -> bool:
    try:
        call(*arguments, **named)
    except pywbem.CIMError as error:
        return bool(error.status_code != _DENIED)
    return True


def test_every_operation_and_method_has_its_permission(schema: Schema) -> None:
    # CreateInstance and ModifyInstance may have a permission before there is such an operation.
    assert SERVED_OPERATIONS.keys() <= OPERATIONS.keys()
    assert SERVED_METHODS.keys() == METHODS.keys()
    assert [name for name in WRITTEN_CLASSES if schema.canonical(name) != name] == []
    assert [name for name, _ in METHODS if schema.canonical(name) != name] == []


@pytest.mark.parametrize("key", sorted(METHODS))
@pytest.mark.parametrize("user", ["nobody", "reader", "operator", "administrator"])
def test_a_method_needs_the_role_of_its_row(
    login: Login, providers: Interposed, key: tuple[str, str], user: str
) -> None:
    class_name, method = key
    target = class_name
    if class_name == _SYSTEM:
        target = login("reader").EnumerateInstanceNames(class_name)[0]
    if class_name == "VirtCIM_ConcreteJob":
        target = pywbem.CIMInstanceName(class_name, {"InstanceID": "VirtCIM:no-job"})
    role = parse_rights(_USERS[user]).role("root/virt")
    allowed = role is not None and role >= METHODS[key].role
    before = len(providers.calls)
    assert _is_allowed(login(user).InvokeMethod, method, target) is allowed
    # Whoever may not is refused before the providers hear of it.
    assert (len(providers.calls) > before) is allowed


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("GetClass", {"ClassName": '<CLASSNAME NAME="CIM_System"/>'}),
        ("EnumerateClassNames", {}),
        ("EnumerateQualifiers", {}),
        ("EnumerateInstances", {"ClassName": f'<CLASSNAME NAME="{_SYSTEM}"/>'}),
        ("OpenEnumerateInstances", {"ClassName": f'<CLASSNAME NAME="{_SYSTEM}"/>'}),
        (
            "ExecQuery",
            {
                "QueryLanguage": "<VALUE>WQL</VALUE>",
                "Query": f"<VALUE>SELECT * FROM {_SYSTEM}</VALUE>",
            },
        ),
        ("CloseEnumeration", {"EnumerationContext": "<VALUE>x</VALUE>"}),
    ],
)
def test_whoever_has_no_role_reads_nothing(
    roles: Served, operation: str, parameters: dict[str, str]
) -> None:
    for user, denied in (("nobody", True), ("guest", True), ("reader", False)):
        text = _ask(roles, user, intrinsic(operation, **parameters))
        assert ("ERR_ACCESS_DENIED" in text) is denied, text


def test_a_refusal_names_user_role_and_what_is_needed(login: Login) -> None:
    reader, nobody = login("reader"), login("nobody")
    assert _denial(
        reader.InvokeMethod, "DefineSystem", "VirtCIM_VirtualSystemManagementService"
    ) == (
        "ERR_ACCESS_DENIED: the user 'reader' has the role read in root/virt; DefineSystem needs "
        "the role administer"
    )
    assert _denial(nobody.EnumerateInstances, _SYSTEM).endswith(
        "the user 'nobody' has no role in root/virt; EnumerateInstances needs the role read"
    )


def test_a_path_of_another_namespace_is_judged_by_that_namespace(
    login: Login, roles: Served
) -> None:
    path = login("reader").EnumerateInstanceNames(_HOST)[0]
    name = path.tocimxml().toxml()
    elsewhere = (
        f'<LOCALINSTANCEPATH><LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="virt"/>'
        f"</LOCALNAMESPACEPATH>{name[name.index('<INSTANCENAME') : name.index('</INSTANCENAME>')]}"
        "</INSTANCENAME></LOCALINSTANCEPATH>"
    )
    interop = (
        '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="interop"/>'
        "</LOCALNAMESPACEPATH>"
    )
    for user, seen in (("reader", True), ("console", False)):
        for operation, parameter in (
            ("GetInstance", "InstanceName"),
            ("Associators", "ObjectName"),
            ("ReferenceNames", "ObjectName"),
        ):
            body = intrinsic(operation, **{parameter: elsewhere})
            text = _ask(roles, user, body.replace(NAMESPACE_PATH, interop, 1))
            assert ("ERR_ACCESS_DENIED" in text) is not seen, text


def test_what_is_associated_across_namespaces_is_left_out_for_whoever_may_not_see_it(
    login: Login,
) -> None:
    found: dict[str, set[str]] = {}
    for user in ("reader", "console", "tenant"):
        connection = login(user)
        seen: set[str] = set()
        for profile in connection.EnumerateInstanceNames(
            "CIM_RegisteredProfile", namespace="root/interop"
        ):
            seen |= {one.namespace for one in connection.AssociatorNames(profile)}
            seen |= {one.path.namespace for one in connection.Associators(profile)}
            for reference in (
                *connection.ReferenceNames(profile),
                *(one.path for one in connection.References(profile)),
            ):
                seen |= {one.namespace for one in reference.keybindings.values()}
        for link in connection.EnumerateInstances(
            "CIM_ElementConformsToProfile", namespace="root/interop"
        ):
            seen |= {one.namespace for one in link.path.keybindings.values()}
        found[user] = seen
    assert found == {
        "reader": {"root/interop", "root/virt", "root/virt/other"},
        "console": {"root/interop"},
        "tenant": {"root/interop", "root/virt/other"},
    }


def test_a_role_in_one_namespace_is_none_in_another(login: Login, providers: Interposed) -> None:
    tenant = login("tenant")
    _denial(tenant.EnumerateInstances, _SYSTEM)
    _denial(
        tenant.InvokeMethod,
        "RequestStateChange",
        pywbem.CIMInstanceName(_SYSTEM, dict(system_path(1).keys), namespace="root/virt"),
        RequestedState=pywbem.Uint16(3),
    )
    assert providers.calls == []
    assert _is_allowed(tenant.EnumerateInstances, _SYSTEM, namespace="root/virt/other")
    service = pywbem.CIMClassName(
        "VirtCIM_VirtualSystemManagementService", namespace="root/virt/other"
    )
    assert _is_allowed(tenant.InvokeMethod, "DefineSystem", service)


def test_a_job_is_ended_and_deleted_by_operators(login: Login) -> None:
    job = pywbem.CIMInstanceName("CIM_ConcreteJob", {"InstanceID": "VirtCIM:no-job"})
    assert not _is_allowed(login("reader").DeleteInstance, job)
    assert _is_allowed(login("operator").DeleteInstance, job)
    system = pywbem.CIMInstanceName(_SYSTEM, dict(system_path(1).keys))
    assert not _is_allowed(login("operator").DeleteInstance, system)


def test_a_method_that_is_served_and_not_listed_is_allowed_to_nobody(schema: Schema) -> None:
    listed = {key: one for key, one in METHODS.items() if key[1] != "definesystem"}
    root = Requester(user="root", rights=EVERYTHING)
    guard = Guard(root, schema, Audit("test"), ("root/virt",), methods=listed)
    for name in ("VirtCIM_VirtualSystemManagementService", "CIM_VirtualSystemManagementService"):
        path = ObjectPath(name, namespace="root/virt")
        with (
            pytest.raises(CimError, match="DefineSystem is allowed to nobody"),
            guard.invoking("DefineSystem", path, {}),
        ):
            raise AssertionError("it was let in")
        with guard.invoking("DestroySystem", path, {}):
            pass


def test_without_authentication_everybody_may_do_everything(server: Served) -> None:
    connection = server.pywbem()
    for class_name, method in METHODS:
        if "Service" in class_name:
            assert _is_allowed(connection.InvokeMethod, method, class_name)


def test_a_role_counts_from_the_next_request_on(
    providers: Interposed, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    rights = ["read@*"]
    application = CimServer(
        providers,
        schema,
        authenticate=lambda _user, _password: True,
        rights=lambda _: parse_rights(rights[0]),
    )
    with (
        caplog.at_level(logging.ERROR),
        served(application, user="ann", password="x") as running,
        running.pywbem() as ann,
    ):
        context = ann.OpenEnumerateInstances(_SYSTEM, MaxObjectCount=1).context
        rights[0] = "read@root/interop"
        _denial(ann.PullInstancesWithPath, context, MaxObjectCount=1)
        rights[0] = "read@*"
        assert ann.PullInstancesWithPath(context, MaxObjectCount=1).instances
    assert Role.READ < Role.OPERATE < Role.ADMINISTER
