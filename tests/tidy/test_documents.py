"""The documents agree with the code, with each other, and with the files that they point at."""

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from reelkeep.errors import ErrorCode
from tests.tidy.checkout import ROOT, place, written_files

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
MARKDOWN = written_files(".md")


def headings_of(path: Path) -> set[str]:
    """The anchors of a page, as a forge makes them of its headings."""
    titles = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_generated_documents_are_up_to_date() -> None:
    rendered = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))["render_documents"]()
    assert len(rendered) >= 3
    stale = [place(path) for path, text in rendered.items() if not path.is_file() or path.read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize("page", MARKDOWN, ids=place)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(CODE_BLOCK.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in headings_of(there)):
            broken.append(target)
    assert broken == []


def test_every_file_that_the_architecture_names_exists() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", page))
    assert len(named) > 5
    found = {place(path) for path in written_files(".py", under="src/reelkeep")}
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in found)] == []


def test_every_room_stands_in_the_architecture() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path.parent.name for path in (ROOT / "src" / "reelkeep").glob("*/__init__.py")]
    assert [room for room in rooms if f"`{room}`" not in page] == []


def test_every_error_code_is_explained_once_and_no_other() -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| .+\. \| .+\. \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE
    )
    assert sorted(rows) == sorted(ErrorCode)


def test_the_newest_release_in_the_changelog_is_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    releases = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == version
    assert json.loads((ROOT / "web" / "package.json").read_text())["version"] == version


def test_the_change_log_knows_what_is_not_released_yet() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in MARKDOWN:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
        assert named <= targets, place(page)


def test_every_command_that_the_readme_shows_exists() -> None:
    blocks = "".join(CODE_BLOCK.findall((ROOT / "README.md").read_text()))
    shown = re.findall(
        r"^\.venv/bin/reelkeep ((?:(?:recordings|users|tokens|db) )?[a-z]+)", blocks, re.MULTILINE
    )
    assert len(shown) >= 5
    for command in sorted(set(shown)):
        run = subprocess.run(
            [Path(sys.executable).with_name("reelkeep"), *shlex.split(command), "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"reelkeep {command}: {run.stderr}"


def test_every_decision_has_the_parts_of_the_template() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(decisions) >= 8
    parts = re.findall(r"^## (.+)$", (ROOT / "docs/decisions/template.md").read_text(), re.MULTILINE)
    assert parts
    for number, page in enumerate(decisions, 1):
        assert page.name.startswith(f"{number:04}-"), place(page)
        assert re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE) == parts, place(page)
        assert len(page.read_text().splitlines()) <= 60, f"{place(page)} is longer than a page"


def test_no_page_uses_a_path_of_somebodys_own_machine() -> None:
    own = re.compile(r"(?<![\w.$/])/(home|Users|root)/\w+")
    found = [place(page) for page in MARKDOWN if own.search(page.read_text())]
    assert found == []
