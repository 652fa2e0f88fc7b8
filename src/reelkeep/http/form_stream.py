"""A form as it comes: fields first, then one file, which is handed on in pieces and never kept."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM_TYPE = "multipart/form-data"
FIELDS_MAX = 100


class FormStream(ABC):
    """A form being received. Which part is the file, and how it is refused, each kind says itself."""

    def __init__(self, content_type: str, *, field_bytes_max: int) -> None:
        #: `field_bytes_max` is for names, headers and values of all fields together.
        self.fields: dict[str, str] = {}
        self.file_begun = False
        #: The closing boundary has come: nothing was cut off.
        self.done = False
        self._file_ended = False
        self._headers: dict[str, bytes] = {}
        self._header_name, self._header_value, self._value = bytearray(), bytearray(), bytearray()
        self._name = ""
        self._field_bytes_max, self._bytes = field_bytes_max, 0
        self._pieces: list[memoryview] = []
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        _, options = parse_options_header(content_type)
        try:
            self._parser = MultipartParser(options.get(b"boundary", b""), callbacks)
        except FormParserError as error:
            raise self._malformed(str(error)) from error

    def feed(self, chunk: bytes) -> list[memoryview]:
        """Take a piece of the body; returns the pieces of the file in it, valid until the next call."""
        self._pieces = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise self._malformed(str(error)) from error
        return self._pieces

    @abstractmethod
    def _open(self, headers: dict[str, bytes]) -> tuple[str, bool]:
        """The name of a part, empty for none, and whether it is the file."""

    @abstractmethod
    def _malformed(self, reason: str) -> Exception:
        """What a form that cannot be read is refused with."""

    @abstractmethod
    def _over(self) -> Exception:
        """What fields over their limit are refused with."""

    @abstractmethod
    def _follow(self, headers: dict[str, bytes]) -> None:
        """What is to be done about a part after the file."""

    def _wrong_field(self, name: str, reason: str) -> Exception:
        """What one field is refused with."""
        return self._malformed(f"the field {name!r} {reason}")

    def _on_part_begin(self) -> None:
        self._headers, self._value = {}, bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        if self.file_begun:
            self._follow(self._headers)
            return
        self._name, self.file_begun = self._open(self._headers)
        if not self._name:
            raise self._malformed("a part has no name")
        if not self.file_begun and (self._name in self.fields or len(self.fields) >= FIELDS_MAX):
            raise self._wrong_field(self._name, f"comes twice, or there are over {FIELDS_MAX} fields")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file_ended:
            return
        if self.file_begun:
            self._pieces.append(memoryview(data)[start:end])
            return
        self._count(end - start)
        self._value += data[start:end]

    def _on_part_end(self) -> None:
        if self.file_begun:
            self._file_ended = True
            return
        try:
            self.fields[self._name] = self._value.decode()
        except UnicodeDecodeError as error:
            raise self._wrong_field(self._name, "is not UTF-8") from error

    def _on_end(self) -> None:
        self.done = True

    def _count(self, more: int) -> None:
        if not self.file_begun:
            self._bytes += more
            if self._bytes > self._field_bytes_max:
                raise self._over()
