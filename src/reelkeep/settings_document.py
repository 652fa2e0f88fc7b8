"""The documents that are made from the settings: `.env.example` and `docs/settings.md`."""

from reelkeep.settings import Settings, variable_of

#: The heading of each part of the generated documents, by the first setting of that part.
SECTIONS = {
    "data": "Place and address",
    "database_url": "Database",
    "log_level": "Logs",
    "sign_in_days": "Signing in",
    "upload_size_bytes_max": "Uploads and downloads",
    "stores_file": "Stores",
    "engine": "Speech",
    "media_seconds_max": "Media",
    "worker_media_concurrency": "Worker",
}

INTRODUCTION = """\
# Settings

Set them in the environment, in a `.env` file in the folder that Reelkeep is started from, or, where a
command has one, with a flag. A flag wins over the environment, which wins over the file. An empty value
means unset. `REELKEEP_ENV_FILE` names another file than `.env`. Lists are separated by commas, and a size
in bytes may have a unit: `500MB`, `5GiB`.

This page is made from `src/reelkeep/settings.py` by `make docs`.
"""


def _default_text(field: str) -> str:
    default = Settings.model_fields[field].default
    if default is None:
        return ""
    if isinstance(default, list):
        return ",".join(default)
    if isinstance(default, dict):
        return ",".join(f"{name}={value}" for name, value in default.items())
    return str(default).lower() if isinstance(default, bool) else str(default)


def render_env_example() -> str:
    """The text of `.env.example`: every setting with its meaning, each commented out."""
    lines = [
        "# Settings of Reelkeep. Copy this file to .env and remove the # before what you change.",
        "# The environment wins over this file, and a flag wins over both. An empty value means unset.",
        "# Put a value with spaces, # or $ in 'single quotes'. Made by `make docs`; do not edit.",
    ]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", f"# --- {SECTIONS[name]} ---"]
        lines += [
            "",
            f"# {(field.description or '').replace('`', '')}",
            f"#{variable_of(name)}={_default_text(name)}",
        ]
    return "\n".join(lines) + "\n"


def render_settings_doc() -> str:
    """The text of `docs/settings.md`: a table of the settings of each part."""
    parts = [INTRODUCTION]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            parts.append(f"\n## {SECTIONS[name]}\n\n| variable | default | meaning |\n|---|---|---|\n")
        default = _default_text(name)
        shown = f"`{default}`" if default else "not set"
        parts.append(f"| `{variable_of(name)}` | {shown} | {field.description} |\n")
    return "".join(parts)
