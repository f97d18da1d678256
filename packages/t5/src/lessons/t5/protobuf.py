"""Just enough of protocol buffers to read and write a SentencePiece model.

A message is a sequence of fields; each begins with a number that says which field it is and how it
is written: 0 a number in groups of seven bits, 1 eight bytes, 2 a length and so many bytes, 5 four
bytes.
"""

import struct
from collections.abc import Iterator

Value = int | bytes


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value): an int, or bytes, which the caller knows how to read.

    Raises:
        ValueError: these bytes are no message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
        else:
            if kind == 2:
                size, at = _varint(message, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(f"byte {at}: no field is written in way {kind}")
            value, at = message[at : at + size], at + size
        if at > len(message) or number == 0:
            raise ValueError(f"byte {at}: field {number} is cut short or has no number")
        yield number, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError(f"byte {at}: a number does not end")
        byte = message[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def field(number: int, value: int | float | bytes) -> bytes:
    """Return a field: an int in groups of seven bits, a float in four bytes, bytes as they are."""
    if isinstance(value, bytes):
        return _groups(number << 3 | 2) + _groups(len(value)) + value
    if isinstance(value, float):
        return _groups(number << 3 | 5) + struct.pack("<f", value)
    return _groups(number << 3) + _groups(value)


def _groups(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
