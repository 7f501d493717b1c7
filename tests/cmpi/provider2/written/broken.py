"""A module that cannot be imported."""

import pywbem.cim_provider2 as interface  # noqa: F401

raise LookupError("there is no hardware: öfter")
