"""The tables of the state database, version by version.

The scripts of a released version are never changed: they are what its databases were made by.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

# Databases of before versions were kept have these tables already, and version 0.
_V1 = """
create table if not exists life (started integer not null);
create table if not exists introduced_vdi (
    host text not null, path text not null, fields text not null, primary key (host, path));
create table if not exists notes (
    class text not null, uuid text not null, fields text not null, primary key (class, uuid));
create table if not exists stop_detail (vm text primary key, fields text not null);
"""

_V2 = """
create table image_format (
    host text not null, path text not null, format text not null, inode integer not null,
    primary key (host, path));
create table made_pool (uuid text primary key);
create table provisional_volume (
    pool text not null, volume text not null, machine text not null, since integer not null,
    primary key (pool, volume));
create table domain_history (vm text primary key, fields text not null);
create table provisional_machine (uuid text primary key, autostart integer not null);
create table device_identity (vm text primary key, fields text not null);
create table unfinished_change (vm text primary key, fields text not null);
"""

# The script at index n makes version n + 1 of version n.
MIGRATIONS = (_V1, _V2)
