"""The XenAPI: XenServer, XCP-ng and our own toolstack as an ``Endpoint``."""
