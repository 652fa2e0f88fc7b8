"""Write the documents that are made from the code; `make docs` calls this, and tests compare.

Run with Reelkeep's own Python, from anywhere.
"""

from pathlib import Path

from reelkeep.cli import document as cli_document
from reelkeep.db import document
from reelkeep.settings_document import render_env_example, render_settings_doc
from reelkeep.tables import all_tables

CHECKOUT = Path(__file__).resolve().parent.parent


def render_documents() -> dict[Path, str]:
    """Each generated document, by its place in the checkout, with the text it should have."""
    return {
        CHECKOUT / ".env.example": render_env_example(),
        CHECKOUT / "docs" / "settings.md": render_settings_doc(),
        CHECKOUT / "docs" / "database.md": document.render(all_tables()),
        CHECKOUT / "docs" / "cli.md": cli_document.render(),
    }


def write_documents() -> None:
    """Write each document that is not as it should be, and say which."""
    for path, text in render_documents().items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(f"  wrote {path.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    write_documents()
