"""How a CIM server learns of the providers."""

from virtcim.registration.registry import Kind, Registration, registrations

__all__ = ["Kind", "Registration", "registrations"]
