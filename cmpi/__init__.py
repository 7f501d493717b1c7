"""The bridge: the providers in a CIM server that loads CMPI providers (OpenPegasus, sfcb).

``build`` makes one shared library on the machine where it shall run. Such a server loads it, and
the library starts Python in the server's process (docs/hosting.md).
"""
