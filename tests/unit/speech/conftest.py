"""What the tests of this room share."""

from tests.fixtures.speech import monologue, tiny_whisper_model

__all__ = ["monologue", "tiny_whisper_model"]
