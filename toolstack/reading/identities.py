"""Which device of a domain's description is which remembered one.

A device is the same while its user alias is, else its address together with its name (a disk's
target, an interface's MAC address), else its name where only one has it, else its address, else
its name in the order of those that share it. The name goes before the address alone: whoever
defines a domain anew from a description without addresses gets new ones from libvirt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from virtcim.toolstack.reading.device_keys import DeviceKey

__all__ = [
    "Identified",
    "KnownDevice",
    "Naming",
    "identify",
    "ids_in",
    "match",
    "name_consoles",
    "name_disks",
    "name_interfaces",
    "target_index",
]

_TARGET = re.compile(r"(?:vd|sd|hd|fd|xvd|ubd)([a-z]{1,3})")
_OWN_ALIAS = re.compile(r"ua-vif(\d{1,4})")


class KnownDevice(NamedTuple):
    """A remembered device, and what it was last known by in the persistent and the live one."""

    id: str
    number: int
    config: DeviceKey | None = None
    live: DeviceKey | None = None


class Identified(NamedTuple):
    """All devices of one kind that are there, and which those of the two descriptions are."""

    known: tuple[KnownDevice, ...]
    config: tuple[KnownDevice, ...]
    live: tuple[KnownDevice, ...]


# Gives id and number of each new device, from their keys and the devices that are known.
Naming = Callable[[Sequence[DeviceKey], Collection[KnownDevice]], Sequence[tuple[str, int]]]


def identify(
    known: Sequence[KnownDevice],
    config: Sequence[DeviceKey],
    live: Sequence[DeviceKey] | None,
    name: Naming,
) -> Identified:
    """Find out which devices of a domain's descriptions are known, and name those that are new.

    ``live`` is None while the domain does not run. Known devices that are in neither description
    are left out.
    """
    if live is None or list(live) == list(config):
        # As it is nearly always, and for thousands of domains in a row.
        found = _all_new_or_known(known, config, name, runs=live is not None)
        if found is not None:
            return Identified(known=found, config=found, live=() if live is None else found)
    return _identify(known, config, live, name)


def _all_new_or_known(
    known: Sequence[KnownDevice], keys: Sequence[DeviceKey], name: Naming, *, runs: bool
) -> tuple[KnownDevice, ...] | None:
    """Give the devices where all of them are new, or known by the very same keys."""
    if not known:
        names = zip(name(keys, ()), keys, strict=True)
        return tuple(
            KnownDevice(id_, number, key, key if runs else None) for (id_, number), key in names
        )
    if len(known) == len(keys) and all(
        device.config == key and device.live == (key if runs else None)
        for device, key in zip(known, keys, strict=True)
    ):
        return tuple(known)
    return None


def _identify(
    known: Sequence[KnownDevice],
    config: Sequence[DeviceKey],
    live: Sequence[DeviceKey] | None,
    name: Naming,
) -> Identified:
    devices = {device.id: device for device in known}
    config_ids = _find(devices, config, _config, _live)
    _take(devices, config_ids, config, name, live=False)
    live_ids = _find(devices, live or (), _live, _config)
    _take(devices, live_ids, live or (), name, live=True)
    # In their order: it tells devices apart that nothing else does.
    there = dict.fromkeys(id_ for id_ in (*config_ids, *live_ids) if id_ is not None)
    return Identified(
        known=tuple(devices[id_] for id_ in there),
        config=tuple(devices[id_] for id_ in config_ids if id_ is not None),
        live=tuple(devices[id_] for id_ in live_ids if id_ is not None),
    )


def ids_in(
    known: Sequence[KnownDevice], keys: Sequence[DeviceKey], name: Naming, *, live: bool
) -> list[str]:
    """Give the ids of the devices in one description alone, the running one or the other."""
    devices = {device.id: device for device in known}
    sides = (_live, _config) if live else (_config, _live)
    ids = _find(devices, keys, *sides)
    _take(devices, ids, keys, name, live=live)
    return [id_ for id_ in ids if id_ is not None]


def _config(device: KnownDevice) -> DeviceKey | None:
    return device.config


def _live(device: KnownDevice) -> DeviceKey | None:
    return device.live


def _take(
    devices: dict[str, KnownDevice],
    ids: list[str | None],
    keys: Sequence[DeviceKey],
    name: Naming,
    *,
    live: bool,
) -> None:
    """Note the keys of one description, and name what is new in it."""
    new = [index for index, id_ in enumerate(ids) if id_ is None]
    names = name([keys[index] for index in new], devices.values())
    for index, (id_, number) in zip(new, names, strict=True):
        ids[index] = id_
        devices[id_] = KnownDevice(id_, number)
    present = dict(zip(ids, keys, strict=True))
    for id_, device in devices.items():
        key = present.get(id_)
        if live:
            devices[id_] = KnownDevice(id_, device.number, device.config, key)
        else:
            devices[id_] = KnownDevice(id_, device.number, key, device.live)


def _find(
    known: Mapping[str, KnownDevice],
    present: Sequence[DeviceKey],
    own: Callable[[KnownDevice], DeviceKey | None],
    other: Callable[[KnownDevice], DeviceKey | None],
) -> list[str | None]:
    """Match by what a device was known by in this description, then by what in the other one."""
    found: list[str | None] = [None] * len(present)
    for side in (own, other):
        if not known or None not in found:
            break
        taken = set(found)
        candidates = {
            id_: key
            for id_, device in known.items()
            if id_ not in taken and (key := side(device)) is not None
        }
        left = [index for index, id_ in enumerate(found) if id_ is None]
        matches = match(tuple(candidates.values()), [present[index] for index in left])
        ids = tuple(candidates)
        for index, matched in zip(left, matches, strict=True):
            found[index] = None if matched is None else ids[matched]
    return found


def match(known: Sequence[DeviceKey], present: Sequence[DeviceKey]) -> list[int | None]:
    """Give for each key that is present the index of the known one that it is, or None."""
    if list(known) == list(present):
        return list(range(len(present)))
    if not known:
        return [None] * len(present)
    found: list[int | None] = [None] * len(present)
    left_known, left = dict(enumerate(known)), dict(enumerate(present))
    for value_of, only_one in _RULES:
        by_value = _by_value(left_known, value_of)
        for value, indexes in _by_value(left, value_of).items():
            candidates = by_value.get(value, [])
            if only_one and (len(indexes) != 1 or len(candidates) != 1):
                continue
            for index, candidate in zip(indexes, candidates, strict=False):
                found[index] = candidate
                del left[index], left_known[candidate]
    return found


def _by_value(
    keys: Mapping[int, DeviceKey], value_of: Callable[[DeviceKey], Hashable]
) -> Mapping[Hashable, list[int]]:
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, key in keys.items():
        if value := value_of(key):
            found[value].append(index)
    return found


_RULES: tuple[tuple[Callable[[DeviceKey], Hashable], bool], ...] = (
    (lambda key: key.alias, True),
    (lambda key: key.address and (key.address, key.name), False),
    (lambda key: key.name, True),
    (lambda key: key.address, True),
    (lambda key: key.name, False),
    # Nothing tells them apart but their order.
    (lambda key: (key,), False),
)


def name_disks(
    keys: Sequence[DeviceKey], known: Collection[KnownDevice]
) -> Sequence[tuple[str, int]]:
    """Name new disks: an id is the target, a number the target's index where that is free."""
    if not known:
        return _first_disk_names(tuple(key.name for key in keys))
    return _disk_names(keys, known)


# Most machines have the same few targets.
@lru_cache(maxsize=1 << 10)
def _first_disk_names(targets: tuple[str, ...]) -> Sequence[tuple[str, int]]:
    return _disk_names([DeviceKey(name=target) for target in targets], ())


def _disk_names(
    keys: Sequence[DeviceKey], known: Collection[KnownDevice]
) -> Sequence[tuple[str, int]]:
    numbers = {device.number for device in known}
    ids = {device.id for device in known}
    found: dict[int, int] = {}
    for position, key in enumerate(keys):
        index = target_index(key.name)
        if index is not None and index not in numbers:
            numbers.add(index)
            found[position] = index
    names = []
    for position, key in enumerate(keys):
        id_ = _free_name(key.name or "disk", ids)
        ids.add(id_)
        number = found[position] if position in found else _lowest_free(numbers)
        numbers.add(number)
        names.append((id_, number))
    return names


def target_index(target: str) -> int | None:
    """Give the index of a target such as ``vda`` (0) or ``sdab`` (27); None for another name."""
    matched = _TARGET.fullmatch(target)
    if matched is None:
        return None
    index = 0
    for letter in matched[1]:
        index = index * 26 + ord(letter) - ord("a") + 1
    return index - 1


def name_interfaces(
    keys: Sequence[DeviceKey], known: Collection[KnownDevice]
) -> Sequence[tuple[str, int]]:
    """Number new interfaces: the lowest number that is free, or the one in an alias of ours.

    Versions before 1.1 wrote such aliases into domains.
    """
    if not known and not any(key.alias for key in keys):
        return [(str(number), number) for number in range(len(keys))]
    numbers = {device.number for device in known}
    found: dict[int, int] = {}
    for position, key in enumerate(keys):
        own = _OWN_ALIAS.fullmatch(key.alias)
        if own and int(own[1]) not in numbers:
            numbers.add(int(own[1]))
            found[position] = int(own[1])
    names = []
    for position in range(len(keys)):
        number = found[position] if position in found else _lowest_free(numbers)
        numbers.add(number)
        names.append((str(number), number))
    return names


def name_consoles(
    keys: Sequence[DeviceKey], known: Collection[KnownDevice]
) -> Sequence[tuple[str, int]]:
    """Number new consoles among those of their kind, which is their key's name."""
    ids = {device.id for device in known}
    names = []
    for key in keys:
        number = next(number for number in range(len(ids) + 1) if f"{key.name}{number}" not in ids)
        ids.add(f"{key.name}{number}")
        names.append((f"{key.name}{number}", number))
    return names


def _free_name(wanted: str, taken: Collection[str]) -> str:
    candidates = [wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)


def _lowest_free(taken: Iterable[int]) -> int:
    used = set(taken)
    return next(number for number in range(len(used) + 1) if number not in used)
