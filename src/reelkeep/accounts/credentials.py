"""Secrets that prove who a caller is: made at random, shown once, kept as SHA-256 only.

Each carries 256 random bits, so a plain digest is enough and can be looked up by an index.
"""

import hashlib
import secrets

API_TOKEN_PREFIX = "rk_"


def new_secret() -> str:
    """43 URL-safe characters, for a cookie or a one-time link."""
    return secrets.token_urlsafe(32)


def new_api_token() -> str:
    """A secret with a prefix by which people and leak scanners know whose it is."""
    return API_TOKEN_PREFIX + new_secret()


def is_api_token(text: str) -> bool:
    """Whether a bearer credential is an API token, judged by its prefix."""
    return text.startswith(API_TOKEN_PREFIX)


def hash_secret(secret: str) -> bytes:
    """The 32 bytes under which a secret is kept."""
    # Anything may be sent as a secret, text that has no UTF-8 spelling too.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
