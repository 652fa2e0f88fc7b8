"""What a newcomer's machine may lack, and what they are told: the real scripts, with a PATH made of links."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tidy.checkout import ROOT

TOOLS = [
    "bash",
    "cat",
    "cut",
    "dirname",
    "env",
    "find",
    "flock",
    "grep",
    "mkdir",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "tr",
    "uname",
    "xargs",
]
#: Those that this machine does not have where the script looks beside the PATH.
PACKAGES = [
    package
    for line in (ROOT / "scripts/debian-packages-test.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for package, program, *_ in [line.split()]
    if not any(Path(folder, program).exists() for folder in ("/usr/sbin", "/sbin"))
    # A library is looked for by a file of it.
    if not (program.startswith("/") and any(Path("/").glob(program[1:])))
]


class Machine:
    """A checkout in a folder with a space, and a PATH that holds only what it was given."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "a checkout"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is not here"))
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(ROOT / name, self.checkout)

    def give(self, program: str, script: str) -> None:
        """Put a program on the PATH: a few lines of shell."""
        path = self.programs / program
        path.write_text(f"#!{self.programs}/bash\n{script}\n")
        path.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run one of the checkout's scripts, with nothing but this machine's PATH in its environment."""
        return subprocess.run(
            [self.programs / "bash", self.checkout / "scripts" / script],
            env={"PATH": str(self.programs), "HOME": str(self.checkout.parent), "LOG": str(self.log)},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def log(self) -> Path:
        """What the given programs wrote down."""
        return self.checkout.parent / "calls"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_python_that_is_new_enough_setup_says_which_it_needs(machine: Machine) -> None:
    machine.give("python3", "exit 1")
    ended = machine.run("setup.sh")
    assert ended.returncode == 1
    assert "Python 3.11 to 3.14" in ended.stderr


def test_without_pip_and_venv_setup_names_the_two_packages_and_installs_nothing(machine: Machine) -> None:
    machine.give(
        "python3",
        f'case "$*" in *ensurepip*|*pip*) exit 1;; *executable*) echo "{machine.programs}/python3";; esac',
    )
    ended = machine.run("setup.sh")
    assert ended.returncode == 1
    assert "python3-venv and python3-pip" in ended.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_user_without_root_is_told_the_packages_that_the_tests_need(machine: Machine) -> None:
    machine.give("id", "echo 1000")
    machine.give("sudo", "exit 1")
    machine.give("apt-get", 'echo "$@" >>"$LOG"')
    ended = machine.run("install-test-packages.sh")
    assert ended.returncode == 1
    assert f"apt-get install --no-install-recommends {' '.join(PACKAGES)}\n" in ended.stderr
    assert not machine.log.exists()


def test_root_gets_the_packages_that_are_missing_and_no_others(machine: Machine) -> None:
    machine.give("id", "echo 0")
    machine.give("true", "exit 0")
    machine.give("radosgw", "exit 0")
    machine.give("apt-get", 'echo "$@" >>"$LOG"')
    ended = machine.run("install-test-packages.sh")
    assert ended.returncode == 0, ended.stderr
    update, install = machine.log.read_text().splitlines()
    assert update == "update"
    assert install.endswith(" ".join(name for name in PACKAGES if name != "radosgw"))


def test_sudo_without_a_password_is_used(machine: Machine) -> None:
    machine.give("id", "echo 1000")
    machine.give("true", "exit 0")
    machine.give("sudo", '[ "$1" = -n ] && shift && "$@"')
    machine.give("apt-get", 'echo "$@" >>"$LOG"')
    assert machine.run("install-test-packages.sh").returncode == 0
    assert len(machine.log.read_text().splitlines()) == 2


def test_with_every_program_there_nothing_is_asked_for(machine: Machine) -> None:
    for line in (ROOT / "scripts/debian-packages-test.txt").read_text().splitlines():
        if line and not line.startswith("#") and "/" not in line.split()[1]:
            machine.give(line.split()[1], "exit 0")
    ended = machine.run("install-test-packages.sh")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_step_that_fails_shows_the_end_of_its_log_and_where_the_rest_is(machine: Machine) -> None:
    lines = [
        'cd "$(dirname "$0")/.."',
        ". scripts/step.sh",
        'work() { echo "the disk is full"; return 3; }',
        'step "Some work" work',
    ]
    (machine.checkout / "scripts" / "failing.sh").write_text("\n".join(lines))
    ended = machine.run("failing.sh")
    assert ended.returncode == 1
    assert "FAILED" in ended.stdout
    assert "| the disk is full" in ended.stdout
    assert (machine.checkout / ".cache/logs/Some-work.log").read_text() == "the disk is full\n"


def test_make_alone_says_what_there_is() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "run", "test", "check", "bench", "docs", "clean"):
        assert f"make {target} " in shown
