"""The files of this checkout that people write, for the tests of its tidiness."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Folders that are installed, built or generated.
NOT_WRITTEN = {
    ".git",
    ".venv",
    ".tools",
    ".cache",
    "node_modules",
    "static",
    "data",
    "dist",
    "build",
    "results",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def written_files(*suffixes: str, under: str = ".") -> list[Path]:
    """Files with one of these suffixes, without what is installed, built or generated."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                if path.name not in NOT_WRITTEN and not path.name.endswith("_cache"):
                    yield from walk(path)
            elif path.suffix in suffixes:
                yield path

    return list(walk(ROOT / under))


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed source of a file."""
    return ast.parse(path.read_text())


def functions_of(path: Path) -> list[Function]:
    """Every function and method of a file."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]


def place(path: Path, line: int | None = None) -> str:
    """A file, and perhaps a line, as a person finds it."""
    name = str(path.relative_to(ROOT))
    return name if line is None else f"{name}:{line}"
