"""Guests of 512 bytes: boot sectors, assembled by hand, that need neither a kernel nor an image."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FILL_DISK", "IDLE", "PANIC", "POWER_OFF", "write_disk"]

_SECTOR_BYTES = 512


def _boot_sector(listing: str) -> bytes:
    """Assemble the hexadecimal bytes left of each `;` into a sector that a BIOS boots."""
    code = bytes.fromhex("".join(line.split(";")[0] for line in listing.splitlines()))
    return code.ljust(_SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"


#: Waits for interrupts for ever, using no processor time.
IDLE = _boot_sector(
    """
    FB              ; sti
    F4              ; wait:  hlt
    EB FD           ;        jmp wait
    """
)

#: Switches the machine off: writes "sleep enable, type S5" to the ACPI control register that
#: SeaBIOS places at 0x604.
POWER_OFF = _boot_sector(
    """
    BA 04 06        ; mov dx, 0x604
    B8 00 20        ; mov ax, 0x2000
    EF              ; out dx, ax
    F4              ; wait:  hlt
    EB FD           ;        jmp wait
    """
)

#: Reports a panic of the guest system to the pvpanic device, where there is one, and waits.
PANIC = _boot_sector(
    """
    BA 05 05        ; mov dx, 0x505
    B0 01           ; mov al, 1
    EE              ; out dx, al
    F4              ; wait:  hlt
    EB FD           ;        jmp wait
    """
)

#: Writes its own disk from the 64th sector to the end in steps of 32 KiB: a sparse image grows
#: until the file system below is full.
FILL_DISK = _boot_sector(
    """
    31 C0           ; 7C00         xor ax, ax
    8E D8           ; 7C02         mov ds, ax
    FB              ; 7C04         sti
    BE 19 7C        ; 7C05  next:  mov si, packet
    B8 00 43        ; 7C08         mov ax, 0x4300      ; extended write, no verification
    B2 80           ; 7C0B         mov dl, 0x80        ; the first hard disk
    CD 13           ; 7C0D         int 0x13
    66 83 06 21 7C 40 ; 7C0F       add dword [packet + 8], 64
    EB EE           ; 7C15         jmp next
    00 00           ; 7C17
    10 00           ; 7C19  packet: size of this packet
    40 00           ; 7C1B          sectors to write
    00 7E 00 00     ; 7C1D          what to write: 0000:7E00
    40 00 00 00 00 00 00 00 ; 7C21  first sector
    """
)


def write_disk(path: Path, boot_sector: bytes, *, size_bytes: int) -> Path:
    """Make the raw, sparse image of a disk of that size that boots the sector; give its path."""
    with path.open("wb") as image:
        image.write(boot_sector)
        image.truncate(size_bytes)
    return path
