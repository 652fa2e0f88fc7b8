"""What may be uploaded, as far as it can be told before the bytes are here."""

import re
from fnmatch import fnmatchcase

from reelkeep.errors import ErrorCode, Invalid
from reelkeep.settings import Settings

#: RFC 6838, section 4.2.
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


def plain_type(content_type: str) -> str:
    """A media type without its parameters, in lower case: `audio/webm;codecs=opus` is `audio/webm`."""
    return content_type.split(";", 1)[0].strip().lower()


def check_type(settings: Settings, content_type: str) -> None:
    """Raise `UNSUPPORTED_TYPE` unless the declared type is one that this installation takes."""
    plain = plain_type(content_type)
    allowed_here = any(fnmatchcase(plain, allowed) for allowed in settings.upload_content_types)
    # A header is made of it; \r and \n would make two.
    if allowed_here and MEDIA_TYPE.fullmatch(plain) and content_type.isascii() and content_type.isprintable():
        return
    raise Invalid(
        f"{plain or 'This'} is not a type that is taken here; send one of "
        f"{', '.join(settings.upload_content_types)}.",
        ErrorCode.UNSUPPORTED_TYPE,
        content_type=plain,
        allowed=list(settings.upload_content_types),
    )


def check_size(size_bytes: int | None, size_bytes_max: int) -> None:
    """Raise `UPLOAD_TOO_LARGE`, with the limit and the remedy, when a known size is over it."""
    if size_bytes is not None and size_bytes > size_bytes_max:
        raise Invalid(
            f"The file has {size_bytes:,} bytes and the limit is {size_bytes_max:,}; "
            "compress it, or send it in parts.",
            ErrorCode.UPLOAD_TOO_LARGE,
            size_bytes=size_bytes,
            size_bytes_max=size_bytes_max,
        )
