"""Reads a POST form as it comes: fields first, then the file, which is handed on and never kept.

Source: Amazon S3 API reference, "POST Object": what follows the file is ignored, and what precedes it
may be 20 KB.
"""

from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from reelkeep.stores.refusals import S3Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

#: Headers and values of all fields together.
FIELD_BYTES_MAX = 20 * 1024
FIELDS_MAX = 100


class PostForm:
    """A form being received."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise S3Refusal(
                "PreconditionFailed",
                "Bucket POST must be of the enclosure-type multipart/form-data",
                Condition="Bucket POST must be of the enclosure-type multipart/form-data",
            )
        #: By name in lower case.
        self.fields: dict[str, str] = {}
        self.file_begun = False
        #: The closing boundary has come: nothing was cut off.
        self.done = False
        self._file_ended = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = bytearray(), bytearray()
        self._name = ""
        self._value = bytearray()
        self._bytes = 0
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
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def feed(self, chunk: bytes) -> list[memoryview]:
        """Take a piece of the body; returns the pieces of the file in it, valid until the next call."""
        self._pieces = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from error
        return self._pieces

    def _on_part_begin(self) -> None:
        self._headers, self._value = {}, bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        if self.file_begun:
            return
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = _text(options.get(b"name", b"")).lower()
        if not self._name:
            raise _malformed("a part has no name")
        self.file_begun = self._name == "file"
        if self._name in self.fields or len(self.fields) >= FIELDS_MAX:
            raise _malformed(f"the field {self._name!r} comes twice, or there are over {FIELDS_MAX} fields")

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
        else:
            self.fields[self._name] = _text(bytes(self._value))

    def _on_end(self) -> None:
        self.done = True

    def _count(self, length: int) -> None:
        if self.file_begun:
            return
        self._bytes += length
        if self._bytes > FIELD_BYTES_MAX:
            raise S3Refusal(
                "MaxPostPreDataLengthExceededError",
                "Your POST request fields preceding the upload file were too large.",
                MaxPostPreDataLengthBytes=str(FIELD_BYTES_MAX),
            )


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _malformed("a field is not UTF-8") from error


def _malformed(reason: str) -> S3Refusal:
    return S3Refusal(
        "MalformedPOSTRequest",
        f"The body of your POST request is not well-formed multipart/form-data: {reason}.",
    )
