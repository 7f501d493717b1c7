"""Guests of 512 bytes: boot sectors, assembled by hand, that need neither a kernel nor an image."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "EXPIRE_WATCHDOG",
    "FILL_DISK",
    "IDLE",
    "PANIC",
    "POWER_OFF",
    "POWER_OFF_WHEN_ASKED",
    "RESET_WHEN_ASKED",
    "REWRITE_BYTES",
    "REWRITE_FROM_BYTES",
    "REWRITE_START",
    "write_disk",
]

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

#: What both guests do that listen to the power button: enable its event in the ACPI registers at
#: 0x600, and look at every tick of the clock whether it was pressed.
_AWAIT_POWER_BUTTON = """
    FB              ;        sti
    BA 02 06        ;        mov dx, 0x602
    B8 00 01        ;        mov ax, 0x100
    EF              ;        out dx, ax
    BA 00 06        ;        mov dx, 0x600
    F4              ; wait:  hlt
    ED              ;        in ax, dx
    F6 C4 01        ;        test ah, 1
    74 F9           ;        jz wait
    """

#: Switches the machine off when its power button is pressed.
POWER_OFF_WHEN_ASKED = _boot_sector(
    _AWAIT_POWER_BUTTON
    + """
    BA 04 06        ;        mov dx, 0x604
    B8 00 20        ;        mov ax, 0x2000
    EF              ;        out dx, ax
    F4              ; end:   hlt
    EB FD           ;        jmp end
    """
)

#: Resets the machine by its keyboard controller when its power button is pressed.
RESET_WHEN_ASKED = _boot_sector(
    _AWAIT_POWER_BUTTON
    + """
    B0 FE           ;        mov al, 0xFE
    E6 64           ;        out 0x64, al
    F4              ; end:   hlt
    EB FD           ;        jmp end
    """
)

#: Lets the ib700 watchdog, where there is one, expire at once, and waits.
EXPIRE_WATCHDOG = _boot_sector(
    """
    BA 43 04        ; mov dx, 0x443
    B0 0F           ; mov al, 15         ; no seconds
    EE              ; out dx, al
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

#: Where `REWRITE_START` finds what it writes, and how much that is.
REWRITE_FROM_BYTES, REWRITE_BYTES = 8 * _SECTOR_BYTES, 32 * _SECTOR_BYTES

#: Writes 32 sectors of its disk, from the eighth on, over the beginning of the disk, this sector
#: included, and switches the machine off: whoever opens the disk next finds what the guest wants.
REWRITE_START = _boot_sector(
    """
    31 C0           ; 7C00         xor ax, ax
    8E D8           ; 7C02         mov ds, ax
    FB              ; 7C04         sti
    BE 25 7C        ; 7C05         mov si, packet
    B4 42           ; 7C08         mov ah, 0x42        ; extended read
    B2 80           ; 7C0A         mov dl, 0x80        ; the first hard disk
    CD 13           ; 7C0C         int 0x13
    C7 06 2D 7C 00 00 ; 7C0E       mov word [packet + 8], 0
    B8 00 43        ; 7C14         mov ax, 0x4300      ; extended write, no verification
    B2 80           ; 7C17         mov dl, 0x80
    CD 13           ; 7C19         int 0x13
    BA 04 06        ; 7C1B         mov dx, 0x604
    B8 00 20        ; 7C1E         mov ax, 0x2000
    EF              ; 7C21         out dx, ax
    F4              ; 7C22  wait:  hlt
    EB FD           ; 7C23         jmp wait
    10 00           ; 7C25  packet: size of this packet
    20 00           ; 7C27          sectors to read, then to write
    00 80 00 00     ; 7C29          where in memory: 0000:8000
    08 00 00 00 00 00 00 00 ; 7C2D  first sector
    """
)


def write_disk(path: Path, boot_sector: bytes, *, size_bytes: int) -> Path:
    """Make the raw, sparse image of a disk of that size that boots the sector; give its path."""
    with path.open("wb") as image:
        image.write(boot_sector)
        image.truncate(size_bytes)
    return path
