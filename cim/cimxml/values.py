"""Reading values and object paths out of a request, by the types that the schema declares.

Clients send too little (wbemcli names no types) or too much (pywbem repeats them); what counts is
the declaration alone.
"""

from __future__ import annotations

from virtcim.cim.cimxml.elements import Element
from virtcim.cim.cimxml.requests import namespace_of
from virtcim.cim.data_types import read_value
from virtcim.cim.declarations import Declared, DeclaredClasses
from virtcim.cim.errors import InvalidValue
from virtcim.cim.records import (
    CimError,
    KeyValue,
    ObjectPath,
    Record,
    Scalar,
    StatusCode,
    Value,
)

__all__ = ["ValueReader", "shown"]

_SHOWN_CHARACTERS = 80
_PROPERTIES = frozenset({"PROPERTY", "PROPERTY.ARRAY", "PROPERTY.REFERENCE"})


class ValueReader:
    """Reads values; paths without a namespace are of ``namespace``.

    What does not fit is refused with an InvalidValue that names the parameter and the value, a
    class that is not known with a CimError, an element without its name with a CimXmlError.
    """

    def __init__(self, declarations: DeclaredClasses, namespace: str) -> None:
        self._declarations = declarations
        self._namespace = namespace

    def value(self, element: Element | None, declared: Declared, what: str) -> Value:
        """The value of a property or parameter, None for NULL; ``what`` names it in errors.

        An embedded instance stays the text that was sent.
        ``<!ELEMENT PARAMVALUE (VALUE | VALUE.REFERENCE | VALUE.ARRAY | VALUE.REFARRAY | ...)?>``
        """
        if element is None:
            return None
        if declared.type_name == "reference":
            return self._references(element, declared, what)
        if not declared.is_array:
            return self._scalar(element, declared, what)
        if element.name == "VALUE":  # sblim clients write an array of one value so
            return [self._scalar(element, declared, what)]
        if element.name != "VALUE.ARRAY":
            raise InvalidValue(f"{what} is an array of {declared.type_name}")
        return [
            self._scalar(child, declared, f"{what}[{index}]")
            for index, child in enumerate(element.children)
        ]

    def _scalar(self, element: Element, declared: Declared, what: str) -> Scalar:
        if element.name != "VALUE":
            raise InvalidValue(f"{what} must be a single {declared.type_name} value")
        if element.children:
            raise InvalidValue(
                f"{what} holds {element.children[0].name:.40} elements instead of text; "
                "an embedded instance must be escaped"
            )
        return self._parsed(declared.type_name, element.text, what)

    def _parsed(self, type_name: str, text: str, what: str) -> Scalar:
        try:
            return read_value(type_name, text)
        except ValueError as exc:
            raise InvalidValue(f"{what} cannot be {shown(text)}: {exc}") from exc

    def _references(self, element: Element, declared: Declared, what: str) -> Value:
        if not declared.is_array:
            return self.reference(element, what)
        if element.name == "VALUE.REFERENCE":
            return [self.reference(element, what)]
        if element.name not in ("VALUE.REFARRAY", "VALUE.ARRAY"):
            raise InvalidValue(f"{what} is an array of references")
        return [
            self.reference(child, f"{what}[{index}]")
            for index, child in enumerate(element.children)
        ]

    def reference(self, element: Element, what: str) -> ObjectPath:
        """The object path in a VALUE.REFERENCE.

        ``<!ELEMENT VALUE.REFERENCE (CLASSPATH | LOCALCLASSPATH | CLASSNAME | INSTANCEPATH |
        LOCALINSTANCEPATH | INSTANCENAME)>``
        """
        if element.name != "VALUE.REFERENCE" or len(element.children) != 1:
            raise InvalidValue(f"{what} must be one reference")
        return self.path(element.children[0], what)

    def path(self, element: Element, what: str) -> ObjectPath:
        """The path of an instance or class in any of its written forms.

        ``<!ELEMENT INSTANCEPATH (NAMESPACEPATH, INSTANCENAME)>``
        ``<!ELEMENT LOCALINSTANCEPATH (LOCALNAMESPACEPATH, INSTANCENAME)>``
        ``<!ELEMENT NAMESPACEPATH (HOST, LOCALNAMESPACEPATH)>``
        """
        if element.name == "INSTANCENAME":
            return self.instance_name(element, what)
        if element.name == "CLASSNAME":
            return ObjectPath(self.class_name(element.attribute("NAME")), namespace=self._namespace)
        forms = ("INSTANCEPATH", "LOCALINSTANCEPATH", "CLASSPATH", "LOCALCLASSPATH")
        if element.name not in forms or len(element.children) != 2:
            raise InvalidValue(f"{what} holds no object path")
        place, name = element.children
        if place.name == "NAMESPACEPATH":
            place = place.children[-1] if place.children else place
        inner = ValueReader(self._declarations, namespace_of(place))
        if name.name not in ("INSTANCENAME", "CLASSNAME"):
            raise InvalidValue(f"{what} holds no object path")
        return inner.path(name, what)

    def class_name(self, name: str) -> str:
        """The declared spelling of a class name. Raises CimError: invalid class."""
        canonical = self._declarations.canonical(name)
        if canonical is None:
            raise CimError(StatusCode.INVALID_CLASS, f"there is no class {shown(name)}")
        return canonical

    def instance_name(self, element: Element, what: str) -> ObjectPath:
        """The instance path, its keys typed and spelled as the class declares them.

        ``<!ELEMENT INSTANCENAME (KEYBINDING* | KEYVALUE? | VALUE.REFERENCE?)>``
        """
        class_name = self.class_name(element.attribute("CLASSNAME"))
        declared = self._declarations.keys(class_name)
        given: dict[str, KeyValue] = {}
        for name, value in self._key_bindings(element, class_name):
            key = declared.get(name.lower())
            if key is None:
                raise InvalidValue(f"{what}: {class_name} has no key {shown(name)}")
            if key.name in given:
                raise InvalidValue(f"{what} gives the key {key.name} twice")
            given[key.name] = self._key_value(value, key, f"{what}: the key {key.name}")
        missing = [key.name for key in declared.values() if key.name not in given]
        if missing or not declared:
            lacking = ", ".join(missing) or "any key"
            raise InvalidValue(f"{what} must give the key {lacking} of {class_name}")
        return ObjectPath(class_name, given, namespace=self._namespace)

    def instance(self, element: Element, what: str) -> Record:
        """The instance, its values as its class declares them; embedded instances stay text.

        Raises CimError for a property that the class does not have.
        ``<!ELEMENT INSTANCE (QUALIFIER*, (PROPERTY | PROPERTY.ARRAY | PROPERTY.REFERENCE)*)>``
        """
        if element.name != "INSTANCE":
            raise InvalidValue(f"{what} must be an instance")
        class_name = self.class_name(element.attribute("CLASSNAME"))
        properties = self._declarations.properties(class_name)
        values: dict[str, Value] = {}
        for child in element.children:
            if child.name == "QUALIFIER":
                continue
            if child.name not in _PROPERTIES:
                raise InvalidValue(f"{what} holds {child.name:.40} instead of a property")
            name = child.attribute("NAME")
            declared = properties.get(name.lower())
            if declared is None:
                raise CimError(
                    StatusCode.NO_SUCH_PROPERTY, f"{class_name} has no property {shown(name)}"
                )
            if declared.name in values:
                raise InvalidValue(f"{what} gives the property {declared.name} twice")
            held = [one for one in child.children if one.name != "QUALIFIER"]
            if len(held) > 1:
                raise InvalidValue(f"{declared.name} holds more than one value")
            values[declared.name] = self.value(held[0] if held else None, declared, declared.name)
        return Record(class_name, values)

    def named_instance(self, element: Element, what: str) -> Record:
        """The instance with its path, whose class it must be of.

        ``<!ELEMENT VALUE.NAMEDINSTANCE (INSTANCENAME, INSTANCE)>``
        ``<!ELEMENT VALUE.INSTANCEWITHPATH (INSTANCEPATH, INSTANCE)>``
        """
        forms = ("VALUE.NAMEDINSTANCE", "VALUE.INSTANCEWITHPATH")
        if element.name not in forms or len(element.children) != 2:
            raise InvalidValue(f"{what} must be an instance with its name")
        name, instance = element.children
        path, record = self.path(name, what), self.instance(instance, what)
        if not path.keys:
            raise InvalidValue(f"{what} must name an instance")
        return Record(record.class_name, record.values, path)

    def _key_bindings(self, element: Element, class_name: str) -> list[tuple[str, Element]]:
        children = element.children
        if len(children) == 1 and children[0].name in ("KEYVALUE", "VALUE.REFERENCE"):
            only = next(iter(self._declarations.keys(class_name).values()), None)
            return [("" if only is None else only.name, children[0])]
        return [
            (child.attribute("NAME"), child.only_child("KEYVALUE", "VALUE.REFERENCE"))
            for child in children
        ]

    def _key_value(self, element: Element, declared: Declared, what: str) -> KeyValue:
        if declared.type_name == "reference":
            return self.reference(element, what)
        if element.name != "KEYVALUE" or element.children:
            raise InvalidValue(f"{what} must be a {declared.type_name}")
        value = self._parsed(declared.type_name, element.text, what)
        # A path compares by the text of such keys, which CIM gives only one form.
        return value if isinstance(value, bool | int | str) else element.text.strip()


def shown(text: str) -> str:
    """The text as an error quotes it: one line, not too long."""
    short = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return repr(short)
