"""Looks at a Whisper model's directory and at the device it is to run on, before any library does.

With a file missing the library would turn to a model hub on the network and wait.
"""

from pathlib import Path

from reelkeep.speech.protocol import Missing

MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")
# What git leaves in place of a large file that it did not fetch is 130 bytes or so.
MODEL_BYTES_MIN = 1_024
CPU_COMPUTE_TYPE = "int8"
CUDA_COMPUTE_TYPES = ("float16", "int8_float32", "float32")
HALF_PRECISION = ("float16", "int8_float16")


def missing_model(model_dir: str | None) -> Missing | None:
    """What the directory lacks to be a Whisper model in CTranslate2's format; None when it has all."""
    fix = (
        "Put a Whisper model in CTranslate2's format into a directory "
        "(for instance a copy of Systran/faster-whisper-small) and set REELKEEP_MODEL_DIR to it."
    )
    if not model_dir:
        return Missing("no model directory is set", fix)
    folder = Path(model_dir)
    if not folder.is_dir():
        return Missing(f"the model directory {folder} does not exist", fix)
    for name in MODEL_FILES:
        if not (folder / name).is_file():
            return Missing(f"{folder} has no {name}", fix)
    if not any(folder.glob("vocabulary.*")):
        return Missing(f"{folder} has no vocabulary.json or vocabulary.txt", fix)
    if (folder / "model.bin").stat().st_size < MODEL_BYTES_MIN:
        return Missing(
            f"{folder / 'model.bin'} is too small to be a model",
            "Fetch the file itself: with git, run `git lfs pull` in that directory.",
        )
    return None


def usable_device(wanted: str, wanted_compute_type: str) -> str | Missing:
    """`cuda` or `cpu`; `auto` is the card where one can be used."""
    cards = _cuda_devices() if wanted in ("auto", "cuda") else 0
    if wanted == "cuda" and not cards:
        return Missing(
            "no NVIDIA card can be used", "Set the device to auto or cpu, or install the card's driver."
        )
    if wanted not in ("auto", "cuda", "cpu"):
        return Missing(f"the device {wanted!r} is unknown", "Set the device to auto, cpu or cuda.")
    if not cards and wanted_compute_type in HALF_PRECISION:
        return Missing(
            f"compute type {wanted_compute_type} needs an NVIDIA card",
            "Set the compute type to default or int8.",
        )
    return "cuda" if cards else "cpu"


def _cuda_devices() -> int:
    import ctranslate2  # noqa: PLC0415 - asked for only where a card could be used

    return int(ctranslate2.get_cuda_device_count())


def compute_type(device: str, wanted: str) -> str:
    """What to compute with: as wanted, else int8 on the processor and the fastest exact type of a card."""
    if wanted != "default":
        return wanted
    if device == "cpu":
        return CPU_COMPUTE_TYPE
    import ctranslate2  # noqa: PLC0415 - only the child process loads it

    supported = ctranslate2.get_supported_compute_types(device)
    return next((kind for kind in CUDA_COMPUTE_TYPES if kind in supported), "default")
