"""Encrypting a stream in frames, none of which can be changed, left out, or moved without its being noticed.

AES-256-GCM with a key of the file's own, derived from that of the hospital; each frame is numbered, and the
last one says that it is. https://eprint.iacr.org/2015/189.pdf (STREAM), https://www.rfc-editor.org/rfc/rfc5869
"""

import os
from io import RawIOBase
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"FHIRBAK1"
_FRAME_BYTES = 1 << 20
_SALT_BYTES, _TAG_BYTES, _KEY_BYTES = 16, 16, 32
_LENGTH_BYTES, _NUMBER_BYTES = 4, 11


class CannotDecrypt(Exception):
    """The key is another one, or the file was changed or cut off."""


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt, MAGIC).derive(key))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big") + bytes([is_last])


class Encrypting(RawIOBase):
    """A file to write to, which writes what it is given to another one, encrypted."""

    def __init__(self, file: IO[bytes], key: bytes) -> None:
        """Write to `file`, with `key`."""
        salt = os.urandom(_SALT_BYTES)
        self._cipher = _cipher(key, salt)
        self._file = file
        self._waiting = bytearray()
        self._number = 0
        file.write(MAGIC + salt)

    def writable(self) -> bool:
        """Say that it may be written to."""
        return True

    def write(self, data: Any) -> int:
        """Take `data`."""
        self._waiting += data
        while len(self._waiting) > _FRAME_BYTES:
            self._frame(bytes(self._waiting[:_FRAME_BYTES]), is_last=False)
            del self._waiting[:_FRAME_BYTES]
        return len(data)

    def finish(self) -> None:
        """Write what is left, and that it is the end; the other file stays open."""
        self._frame(bytes(self._waiting), is_last=True)

    def _frame(self, data: bytes, *, is_last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, is_last=is_last), data, None)
        self._file.write(len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed)
        self._number += 1


class Decrypting(RawIOBase):
    """A file to read from, which reads another one, decrypted; CannotDecrypt at the first wrong byte."""

    def __init__(self, file: IO[bytes], key: bytes) -> None:
        """Read from `file`, behind its MAGIC, with `key`."""
        self._file = file
        self._cipher = _cipher(key, file.read(_SALT_BYTES))
        self._ready = b""
        self._number = 0
        self._is_over = False

    def readable(self) -> bool:
        """Say that it may be read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as there is anything; return how far."""
        while not self._ready and not self._is_over:
            self._next()
        piece = self._ready[: len(buffer)]
        buffer[: len(piece)] = piece
        self._ready = self._ready[len(piece) :]
        return len(piece)

    def _next(self) -> None:
        length = int.from_bytes(self._file.read(_LENGTH_BYTES), "big")
        if not _TAG_BYTES <= length <= _FRAME_BYTES + _TAG_BYTES:
            raise CannotDecrypt
        sealed = self._file.read(length)
        for is_last in (False, True):
            try:
                self._ready = self._cipher.decrypt(_nonce(self._number, is_last=is_last), sealed, None)
            except InvalidTag:
                continue
            self._number += 1
            self._is_over = is_last
            return
        raise CannotDecrypt
