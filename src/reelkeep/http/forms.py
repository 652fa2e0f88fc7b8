"""The form with which a whole recording is sent: fields in any order, then its file."""

from reelkeep.errors import Invalid
from reelkeep.http.filenames import filename_of, parameters_of
from reelkeep.http.form_stream import FORM_TYPE, FormStream

__all__ = ["FIELD_BYTES_MAX", "FILE_FIELD", "FORM_TYPE", "UploadForm"]

FIELD_BYTES_MAX = 128 * 1024
FILE_FIELD = "file"


class UploadForm(FormStream):
    """A form being received; its fields are named as they were sent."""

    def __init__(self, content_type: str) -> None:
        self.filename: str | None = None
        #: What the file's part says that it is.
        self.content_type: str | None = None
        super().__init__(content_type, field_bytes_max=FIELD_BYTES_MAX)

    def _open(self, headers: dict[str, bytes]) -> tuple[str, bool]:
        parameters = parameters_of(headers.get("content-disposition", b""))
        name = parameters.get("name", "")
        is_file = "filename" in parameters or "filename*" in parameters or name == FILE_FIELD
        if is_file:
            self.filename = filename_of(parameters, form=True)
            self.content_type = headers.get("content-type", b"").decode("latin-1") or None
        return name, is_file

    def _follow(self, headers: dict[str, bytes]) -> None:
        name = parameters_of(headers.get("content-disposition", b"")).get("name", "")
        raise Invalid(
            f"The form's field {name!r} comes after the file and was not seen in time; "
            "put the file last, and send one file in one request.",
            field=name,
        )

    def _malformed(self, reason: str) -> Invalid:
        return Invalid(f"The form is malformed: {reason}.")

    def _wrong_field(self, name: str, reason: str) -> Invalid:
        return Invalid(f"The form's field {name!r} {reason}.", field=name)

    def _over(self) -> Invalid:
        return Invalid(f"The form's fields are over {FIELD_BYTES_MAX:,} bytes together; send fewer.")
