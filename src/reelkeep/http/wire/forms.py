"""The form of S3's POST.

Source: Amazon S3 API reference, "POST Object": what follows the file is ignored, and what precedes it
may be 20 KB.
"""

from python_multipart.multipart import parse_options_header

from reelkeep.http.form_stream import FORM_TYPE, FormStream
from reelkeep.stores.refusals import S3Refusal

#: Headers and values of all fields together.
FIELD_BYTES_MAX = 20 * 1024
_NOT_A_FORM = f"Bucket POST must be of the enclosure-type {FORM_TYPE}"


class PostForm(FormStream):
    """A form being received; its fields are named in lower case."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != FORM_TYPE.encode() or not options.get(b"boundary"):
            raise S3Refusal("PreconditionFailed", _NOT_A_FORM, Condition=_NOT_A_FORM)
        super().__init__(content_type, field_bytes_max=FIELD_BYTES_MAX)

    def _open(self, headers: dict[str, bytes]) -> tuple[str, bool]:
        _, options = parse_options_header(headers.get("content-disposition"))
        try:
            name = options.get(b"name", b"").decode().lower()
        except UnicodeDecodeError as error:
            raise self._malformed("a field is not UTF-8") from error
        return name, name == "file"

    def _follow(self, headers: dict[str, bytes]) -> None:
        """Ignored, as by S3."""

    def _malformed(self, reason: str) -> S3Refusal:
        return S3Refusal(
            "MalformedPOSTRequest",
            f"The body of your POST request is not well-formed {FORM_TYPE}: {reason}.",
        )

    def _over(self) -> S3Refusal:
        return S3Refusal(
            "MaxPostPreDataLengthExceededError",
            "Your POST request fields preceding the upload file were too large.",
            MaxPostPreDataLengthBytes=str(FIELD_BYTES_MAX),
        )
