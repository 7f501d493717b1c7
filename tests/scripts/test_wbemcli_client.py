"""Reading what wbemcli prints, and what is shown of its commands."""

from __future__ import annotations

from wbemcli_client import Answer, WbemcliClient


def answer(output: str) -> Answer:
    return Answer(command="", succeeded=True, output=output, error="")


def test_instances_are_read_with_their_properties() -> None:
    instances = answer(
        'host:5988/root/virt:C.Name="a"\n-Name="a"\n-State=2\n\n'
        'host:5988/root/virt:C.Name="b"\n-Name="b"\n-Note=\n'
    ).instances()
    assert [instance.path for instance in instances] == [
        'root/virt:C.Name="a"',
        'root/virt:C.Name="b"',
    ]
    assert instances[0].properties == {"Name": "a", "State": "2"}
    assert instances[1].properties == {"Name": "b", "Note": ""}


def test_a_property_without_a_value_is_left_out() -> None:
    (instance,) = answer('h/root/virt:C.Name="a"\n-Name="a"\n-Nothing\n').instances()
    assert instance.properties == {"Name": "a"}


def test_no_output_is_no_instances() -> None:
    assert answer("").instances() == []


def test_a_refused_connection_is_a_failure_with_a_text() -> None:
    # Port 1 of the loopback interface is reserved, and nothing listens there.
    client = WbemcliClient("http://127.0.0.1:1", namespace="root/virt", user="me", password="s e")
    refused = client.run("ei", "C")
    assert not refused.succeeded
    assert "Couldn't connect" in refused.error


def test_a_shown_command_has_no_password_and_is_quoted_for_a_shell() -> None:
    client = WbemcliClient(
        "http://127.0.0.1:1", namespace="root/virt", user="me", password="s3cr3t"
    )
    refused = client.run("gi", 'C.Name="a"')
    assert (
        refused.command == "wbemcli -nl gi 'http://me:PASSWORD@127.0.0.1:1/root/virt:C.Name=\"a\"'"
    )
