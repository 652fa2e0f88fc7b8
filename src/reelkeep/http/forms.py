"""Reads a form as it comes: fields first, then the file, which is handed on in pieces and never kept."""

from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from reelkeep.errors import Invalid
from reelkeep.http.filenames import filename_of, parameters_of

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM_TYPE = "multipart/form-data"
#: Names, headers and values of all fields together.
FIELD_BYTES_MAX = 128 * 1024
FIELDS_MAX = 100
FILE_FIELD = "file"


class UploadForm:
    """A form being received: fields in any order, then one file."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        #: As they were sent.
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        #: What the file's part says that it is.
        self.content_type: str | None = None
        self.file_begun = False
        #: The closing boundary has come: nothing was cut off.
        self.done = False
        self._headers: dict[str, bytes] = {}
        self._header_name, self._header_value, self._value = bytearray(), bytearray(), bytearray()
        self._name = ""
        self._bytes = 0
        self._pieces: list[bytes] = []
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
            self._parser = MultipartParser(options.get(b"boundary", b""), callbacks)
        except FormParserError as error:
            raise _malformed(error) from error

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a piece of the body; the pieces of the file in it."""
        self._pieces = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(error) from error
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
        self._headers[self._header_name.decode("latin-1").lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        parameters = parameters_of(self._headers.get("content-disposition", b""))
        self._name = parameters.get("name", "")
        if not self._name:
            raise Invalid("The form is malformed: a part has no name.")
        if self.file_begun:
            raise Invalid(
                f"The form's field {self._name!r} comes after the file and was not seen in time; "
                "put the file last, and send one file in one request.",
                field=self._name,
            )
        self.file_begun = "filename" in parameters or "filename*" in parameters or self._name == FILE_FIELD
        if self.file_begun:
            self.filename = filename_of(parameters, form=True)
            self.content_type = self._headers.get("content-type", b"").decode("latin-1") or None
        elif self._name in self.fields or len(self.fields) >= FIELDS_MAX:
            raise Invalid(
                f"The form's field {self._name!r} comes twice, or there are over {FIELDS_MAX} fields.",
                field=self._name,
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.file_begun:
            self._pieces.append(data[start:end])
            return
        self._count(end - start)
        self._value += data[start:end]

    def _on_part_end(self) -> None:
        if not self.file_begun:
            try:
                self.fields[self._name] = self._value.decode()
            except UnicodeDecodeError as error:
                raise Invalid(f"The form's field {self._name!r} is not UTF-8.", field=self._name) from error

    def _on_end(self) -> None:
        self.done = True

    def _count(self, more: int) -> None:
        self._bytes += more
        if self._bytes > FIELD_BYTES_MAX:
            raise Invalid(f"The form's fields are over {FIELD_BYTES_MAX:,} bytes together; send fewer.")


def _malformed(error: FormParserError) -> Invalid:
    return Invalid(f"The form is malformed: {error}.")
