"""What holds a child process in: limits of the kernel, and a filter on system calls where there is one.

Everything here is for a process that has imported all it needs and has its files open.
"""

import ctypes
import os
import platform
import resource
import signal

from reelkeep.media.facts import MediaLimits

try:
    import pyseccomp
except (ImportError, OSError, RuntimeError) as error:  # libseccomp is not on every machine
    pyseccomp = None
    _WHY_NOT = str(error) or type(error).__name__

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
CLONE_THREAD = 0x10000
OPEN_FILES_MAX = 32
#: Seconds of processor time beyond the wall clock's, so that the wall clock speaks first.
CPU_SECONDS_MORE = 10

#: Calls that decoding never needs. Opening is among them: whatever is read or written is open already.
REFUSED_CALLS = [
    "open",
    "openat",
    "openat2",
    "creat",
    "open_by_handle_at",
    "name_to_handle_at",
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kill",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "process_madvise",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "mknod",
    "mknodat",
    "truncate",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "setxattr",
    "lsetxattr",
    "removexattr",
    "lremovexattr",
    "chdir",
    "chroot",
    "pivot_root",
    "mount",
    "umount2",
    "move_mount",
    "fsopen",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "reboot",
    "swapon",
    "swapoff",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "inotify_init",
    "inotify_init1",
    "fanotify_init",
    "memfd_create",
    "memfd_secret",
    "prlimit64",
    "setrlimit",
]


def end_with_parent(parent_pid: int) -> None:
    """Die when the parent dies, and at once where it is already gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def limit_resources(limits: MediaLimits, niceness: int) -> None:
    """Bound memory, processor time, file size, open files and core dumps of this process; make it nicer."""
    cpu_seconds = limits.seconds_max + CPU_SECONDS_MORE
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes_max),
        (resource.RLIMIT_DATA, limits.memory_bytes_max),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.output_bytes_max),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _lower(what, most)
    os.nice(niceness)


def _lower(what: int, most: int) -> None:
    """A limit already stricter than ours stays."""
    _soft, hard = resource.getrlimit(what)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (least, least))


def refuse_system_calls() -> str:
    """Filter this process's system calls for good; says "seccomp", or "none: " and why it could not."""
    if pyseccomp is None:
        return f"none: {_WHY_NOT}"
    try:
        _load_filter()
    except OSError as error:
        return f"none: the kernel refused the filter ({error.strerror})"
    return "seccomp"


def _load_filter() -> None:
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED_CALLS:
        _refuse(rules, name)
    # A process may start threads, not processes; clone3 hides its flags, so libc is sent to clone.
    threads = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0)
    rules.add_rule(pyseccomp.ERRNO(1), "clone", threads)
    rules.add_rule(pyseccomp.ERRNO(38), "clone3")
    rules.load()


def _refuse(rules: "pyseccomp.SyscallFilter", name: str) -> None:
    """A call that this processor or this libseccomp does not have needs no rule."""
    try:
        rules.add_rule(pyseccomp.ERRNO(1), name)
    except (ValueError, OSError):
        if name in ("openat", "execve", "socket", "ptrace"):
            raise


def describe() -> str:
    """What would hold a child in on this machine, for a person who checks the installation."""
    if pyseccomp is None:
        return f"limits only; no seccomp: {_WHY_NOT}"
    return f"limits and seccomp on {platform.machine()}"
