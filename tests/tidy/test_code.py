"""The habits of the code that a linter does not know.

A function that has to be longer says so on its `def` line, and a file within its first five lines:
`# tidy: long, because …`. Migrations are generated once and never edited, so they may be of any length.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.tidy.checkout import ROOT, functions_of, place, tree_of, written_files

LONG = "tidy: long, because "
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = {"src": 500, "scripts": 500, "bench": 500, "tests": 800}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

PYTHON = [
    path
    for folder in FILE_LINES_MAX
    if (ROOT / folder).is_dir()
    for path in written_files(".py", under=folder)
]
MIGRATIONS = ROOT / "src" / "reelkeep" / "db" / "migrations" / "versions"
HELD_SHORT = [path for path in PYTHON if not path.is_relative_to(MIGRATIONS)]
SOURCE = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]


def test_there_is_code_to_look_at() -> None:
    assert len(SOURCE) > 30


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in HELD_SHORT:
        lines = path.read_text().splitlines()
        for function in functions_of(path):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION_LINES_MAX and LONG not in lines[function.lineno - 1]:
                long.append(f"{place(path, function.lineno)} {function.name}: {length} lines")
    assert long == []


def test_no_file_is_longer_than_its_kind_allows() -> None:
    long = []
    for path in HELD_SHORT:
        lines = path.read_text().splitlines()
        most = FILE_LINES_MAX[path.relative_to(ROOT).parts[0]]
        if len(lines) > most and not any(LONG in line for line in lines[:5]):
            long.append(f"{place(path)}: {len(lines)} lines, at most {most}")
    assert long == []


def test_every_module_has_a_name_that_says_something() -> None:
    assert [place(path) for path in PYTHON if path.stem in SAYS_NOTHING] == []


def test_nothing_is_marked_as_unfinished() -> None:
    marks = re.compile(r"(#|//|/\*).*\b(TODO|FIXME|XXX|HACK)\b")
    files = written_files(".py", ".sh", ".ts", ".tsx", ".toml", ".css")
    found = [
        place(path, number)
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_every_module_and_every_public_function_says_what_it_does() -> None:
    silent = []
    for path in SOURCE:
        tree = tree_of(path)
        if path.read_text().strip() and not ast.get_docstring(tree):
            silent.append(place(path))
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if public and not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{place(path, node.lineno)} {node.name}")
    assert silent == []


def test_no_failure_is_swallowed() -> None:
    swallowed = []
    for path in SOURCE:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            told = any(isinstance(n, ast.Raise) or _is_log_call(n) for n in ast.walk(node))
            reason = "BLE001 - " in path.read_text().splitlines()[node.lineno - 1]
            if broad and not told and not reason:
                swallowed.append(place(path, node.lineno))
    assert swallowed == []


def _is_log_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("exception", "error", "warning")
    )


def test_no_import_hides_in_a_function_to_dodge_a_cycle() -> None:
    hidden = [
        f"{place(path, node.lineno)} {function.name}"
        for path in SOURCE
        for function in functions_of(path)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reelkeep")
    ]
    # An entry point of a child process imports what only the child needs.
    assert [entry for entry in hidden if not entry.endswith((" main", " load"))] == []


def test_tests_use_no_mocks_of_our_code_and_skip_nothing() -> None:
    # A constant changed, or another program put in the interpreter's place, is not a mock of our code.
    patching = r"monkeypatch\.setattr\((?!\w+, \"[A-Z_]+\"|[\w.]*sys, \"executable\")"
    forbidden = re.compile(rf"MagicMock|AsyncMock|mock\.patch|{patching}|pytest\.skip\(|mark\.(skip|xfail)")
    found = [
        place(path, number)
        for path in written_files(".py", under="tests")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_the_rooms_keep_their_contracts() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
