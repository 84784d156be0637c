"""Run a program that nobody has read: bubblewrap or a container, or nothing at all.

Code written by a model is never run in a plain process. Inside there is a Python interpreter with its own library,
an empty work folder in memory, and nothing else: no network, no host files, no home, no other processes. Time,
memory, processes, files and output are limited, and the whole tree dies together. Where neither bubblewrap nor a
container engine works, `find_sandbox` says why, and the caller leaves its work out.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import secrets
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal, NamedTuple

from hydrometer.errors import HydrometerError

CONTAINER_IMAGE = "python:3.12-slim"
"""Image that podman and docker run; it is never pulled here, since an audit must not reach for the network."""

CURE = "install bubblewrap (apt install bubblewrap), or podman or docker with the image " + CONTAINER_IMAGE

Kind = Literal["bubblewrap", "podman", "docker"]


class SandboxError(HydrometerError):
    """The sandbox itself failed; says nothing about the program."""


class End(StrEnum):
    """How a program ended."""

    DONE = "done"
    FAILED = "failed"
    KILLED = "killed"
    TIMEOUT = "timeout"
    FLOODED = "flooded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use.

    Attributes:
        wall: Seconds by the clock; well above `cpu`, so that a busy machine does not decide.
        cpu: Seconds of computing, per process.
        memory: Bytes of address space, per process.
        processes: Processes and threads together.
        output: Bytes of standard output, and of standard error.
        file: Bytes of one file.
        folder: Bytes of the work folder.
    """

    wall: float = 30.0
    cpu: int = 2
    memory: int = 256 << 20
    processes: int = 8
    output: int = 256 << 10
    file: int = 1 << 20
    folder: int = 8 << 20


class Ran(NamedTuple):
    """What a program did.

    Attributes:
        end: `FAILED` is an exit status other than 0, `KILLED` a signal, as the limit of computing time sends it.
        stdout: Its output, up to the limit.
        stderr: Its error output, up to the limit.
        seconds: Time by the clock, the start of the sandbox included.
    """

    end: End
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A way to run Python programs that cannot reach out.

    Attributes:
        kind: What encloses them.
        program: Path of `bwrap`, `podman` or `docker`.
        limits: What a program may use.
        privileged: Whether bubblewrap is started by root. Then the program changes to a user of its own, since the
            kernel counts no processes of root's, not even inside a user namespace.
    """

    kind: Kind
    program: str
    limits: Limits = field(default_factory=Limits)
    privileged: bool = field(default_factory=lambda: os.geteuid() == 0)

    def run(self, source: str, text: str = "") -> Ran:
        """Run a Python program.

        Args:
            source: The program.
            text: Its standard input.

        Raises:
            SandboxError: The program could not be started; it did not run.
        """
        began = time.monotonic()
        job = json.dumps({"source": source, "text": text, "limits": self._hard(), "user": self._user()})
        name = f"hydrometer-{secrets.token_hex(8)}"
        read, write = os.pipe()
        try:
            # The filter is far smaller than a pipe, so writing it before anybody reads cannot block.
            os.write(write, seccomp_filter())
            os.close(write)
            process = self._start(self.command(name, read), read)
        finally:
            os.close(read)
        try:
            out, err, cut = _talk(process, job.encode(), began + self.limits.wall, self.limits.output)
        finally:
            _kill(process)
            if self.kind != "bubblewrap":
                # Killing the client leaves the container running.
                self._remove(name)
        return _read_end(out, err, cut, process.returncode, time.monotonic() - began)

    def command(self, name: str, seccomp: int) -> list[str]:
        """Return the command line that encloses the launcher.

        Args:
            name: Name of a container.
            seccomp: File descriptor that holds the filter of system calls.
        """
        inner = ["-I", "-S", "-X", "utf8", "-c", _LAUNCHER]
        if self.kind == "bubblewrap":
            return [self.program, *_bubble(self.limits, seccomp, privileged=self.privileged), *inner]
        return [self.program, *_container(self.limits, name), CONTAINER_IMAGE, "python3", *inner]

    def _start(self, command: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the enclosing program, with a fixed command line
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(descriptor,),
                start_new_session=True,
                # Bubblewrap needs none; a container engine finds its service by it.
                env={} if self.kind == "bubblewrap" else None,
            )
        except OSError as error:
            msg = f"cannot start {self.program!r}: {error.strerror or error}"
            raise SandboxError(msg) from error

    def _hard(self) -> dict[str, int]:
        limits = self.limits
        return {
            "AS": limits.memory,
            "CPU": limits.cpu,
            "NPROC": limits.processes,
            "FSIZE": limits.file,
            "NOFILE": 64,
            "CORE": 0,
            "MSGQUEUE": 0,
        }

    def _user(self) -> int:
        """A user that owns nothing and no process but ours; 0 where the sandbox has one already."""
        return _FIRST_USER + os.getpid() % 0xFFFF if self.kind == "bubblewrap" and self.privileged else 0

    def _remove(self, name: str) -> None:
        subprocess.run(  # noqa: S603 - the container engine, with a name of our own
            [self.program, "rm", "--force", name], check=False, capture_output=True, timeout=60
        )


class Found(NamedTuple):
    """The sandbox of this machine, or why there is none."""

    sandbox: Sandbox | None
    reason: str = ""


@lru_cache(maxsize=1)
def find_sandbox() -> Found:
    """Find a sandbox that works here, by running a program in it; asked once per process."""
    reasons = []
    names: tuple[tuple[Kind, str], ...] = (("bubblewrap", "bwrap"), ("podman", "podman"), ("docker", "docker"))
    if seccomp_filter():
        for kind, name in names:
            path = shutil.which(name)
            if path is None:
                continue
            sandbox = Sandbox(kind=kind, program=path)
            fault = try_sandbox(sandbox)
            if not fault:
                return Found(sandbox)
            reasons.append(f"{kind}: {fault}")
    else:
        reasons.append(f"no filter of system calls for {platform.machine()}")
    return Found(None, f"no sandbox for code ({'; '.join(reasons) or 'none is installed'}): {CURE}")


def try_sandbox(sandbox: Sandbox) -> str:
    """Return why a sandbox does not work, `""` if it runs a program."""
    try:
        ran = sandbox.run("print(input())", "ready")
    except SandboxError as error:
        return str(error)
    return "" if ran.stdout == "ready\n" else f"a trial program ended with {ran.end.value} {ran.stderr[-200:]!r}"


_MARK = b"\x06"
"""First byte of the output: the launcher is through, and what follows is the program's own doing."""

_FIRST_USER = 1 << 30
_FOLDERS = ("/python", "/python/bin", "/usr", "/nix", "/etc", "/dev")

_LAUNCHER = r"""
import io, json, os, resource, sys
job = json.load(sys.stdin)
if job["user"]:
    os.setgroups([])
    for user in (job["user"], 65534):  # The first is not mapped inside some containers.
        try:
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            break
        except OSError as error:
            fault = error
    if os.getuid() == 0 or os.geteuid() == 0 or os.getgid() == 0:
        sys.exit("cannot leave the root user: " + str(fault))
for name, value in job["limits"].items():
    number = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (value, value))
sys.stdin = io.StringIO(job["text"])
os.write(1, b"\x06")
exec(compile(job["source"], "<program>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
"""


def _bubble(limits: Limits, seccomp: int, *, privileged: bool) -> list[str]:
    """Options of bubblewrap, the interpreter last.

    Neither /proc nor /dev is mounted, but for the one device that everything expects: less to reach, and it works
    inside containers, which may not mount them.
    """
    apart = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if privileged:
        who = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        who = ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    python, binds = _interpreter()
    return [
        *apart,
        *who,
        *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"),
        *("--seccomp", str(seccomp)),
        *binds,
        *("--dev-bind", "/dev/null", "/dev/null"),
        # World-writable, because the user is not known to bubblewrap when root starts it.
        *("--perms", "1777", "--size", str(limits.folder), "--tmpfs", "/work", "--chdir", "/work"),
        *("--remount-ro", "/"),
        *("--setenv", "LD_LIBRARY_PATH", "/python/lib"),
        *("--", python),
    ]


@lru_cache(maxsize=1)
def _interpreter() -> tuple[str, list[str]]:
    """Path of this Python inside the sandbox, and the mounts that it takes: itself and the system's libraries.

    It is mounted at a path of its own, since its real one may lie below a home. Installed packages stay outside.
    """
    program = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    prefix, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    # Folders that bubblewrap makes on the way to a mount are closed to other users than its own.
    binds = [part for name in _FOLDERS for part in ("--perms", "0755", "--dir", name)]
    binds += ["--ro-bind", str(program), "/python/bin/python3"]
    for name in ("lib", "lib64"):
        place = prefix / name
        if place.is_dir():
            binds += ["--ro-bind", str(place), f"/python/{name}"]
            if (place / version / "site-packages").is_dir():
                binds += ["--tmpfs", f"/python/{name}/{version}/site-packages"]
                binds += ["--remount-ro", f"/python/{name}/{version}/site-packages"]
    for name in ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/nix/store"):
        place = Path(name)
        if place.is_symlink() and place.is_dir():
            binds += ["--symlink", str(place.readlink()), name]
        elif place.is_dir():
            binds += ["--ro-bind", name, name]
    return "/python/bin/python3", [*binds, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]


def _container(limits: Limits, name: str) -> list[str]:
    memory = str(limits.memory * 2)
    return [
        *("run", "--rm", "--interactive", "--init", "--name", name, "--pull", "never"),
        *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", "65534:65534", "--pids-limit", str(limits.processes + 4)),
        *("--memory", memory, "--memory-swap", memory, "--ulimit", "core=0"),
        *("--tmpfs", f"/work:rw,size={limits.folder},mode=1777", "--workdir", "/work", "--env", "HOME=/work"),
    ]


_NAMESPACES = 0x7E02_0000
"""Flags of `clone` that make namespaces, CLONE_NEWNS to CLONE_NEWNET (linux/sched.h)."""

_ARCHES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    # clone, then: unshare setns mount umount2 pivot_root chroot ptrace process_vm_readv process_vm_writev keyctl
    # add_key request_key bpf perf_event_open userfaultfd memfd_create shmget msgget semget mq_open socket
    # open_by_handle_at personality
    "x86_64": (
        0xC000_003E,
        56,
        (272, 308, 165, 166, 155, 161, 101, 310, 311, 250, 248, 249, 321, 298, 323, 319, 29, 68, 64, 240, 41, 304, 135),
    ),
    "aarch64": (
        0xC000_00B7,
        220,
        (97, 268, 40, 39, 41, 51, 117, 270, 271, 219, 217, 218, 280, 241, 282, 279, 194, 186, 190, 180, 198, 265, 92),
    ),
}
"""Audit architecture and numbers of denied system calls (arch/x86/entry/syscalls, include/uapi/asm-generic)."""

# io_uring_*, open_tree to pidfd_open without pidfd_open, pidfd_getfd, mount_setattr, memfd_secret: the same everywhere.
_DENIED_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 447)
_CLONE3 = 435


@lru_cache(maxsize=1)
def seccomp_filter() -> bytes:
    """Return the filter of system calls as a classic BPF program, empty for a processor that it does not know.

    It closes what namespaces leave open: sockets that no network namespace holds (AF_VSOCK reaches the host of a
    virtual machine), namespaces inside the sandbox, memory that no limit counts (shared memory, memfd), other
    processes' memory, and kernel interfaces that a program for exercise has no use for.
    """
    found = _ARCHES.get(platform.machine())
    if found is None:
        return b""
    arch, clone, denied = found
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    deny, missing = 0x0005_0000 | errno.EPERM, 0x0005_0000 | errno.ENOSYS
    code = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, 0x8000_0000), (load, 0, 0, 0)]
    # The x32 calls of x86-64, whose numbers would pass by the list.
    code += [(at_least, 0, 1, 0x4000_0000), (give, 0, 0, deny)]
    for number in (*denied, *_DENIED_EVERYWHERE):
        code += [(equal, 0, 1, number), (give, 0, 0, deny)]
    # clone3 hides its flags behind a pointer; without it the C library falls back to clone.
    code += [(equal, 0, 1, _CLONE3), (give, 0, 0, missing)]
    code += [(equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 0, 1, _NAMESPACES), (give, 0, 0, deny)]
    code += [(give, 0, 0, 0x7FFF_0000)]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


class _Talk:
    """The streams of a running program, read up to a limit."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int) -> None:
        self.limit, self.flooded = limit, False
        self.texts: dict[IO[bytes], bytearray] = {}
        self.selector = selectors.DefaultSelector()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                self.texts[stream] = bytearray()
                self.selector.register(stream, selectors.EVENT_READ)

    def read(self, stream: IO[bytes]) -> None:
        piece = os.read(stream.fileno(), 1 << 16)
        if not piece:
            self.selector.unregister(stream)
        self.texts[stream] += piece
        self.flooded = self.flooded or len(self.texts[stream]) > self.limit


def _talk(
    process: subprocess.Popen[bytes], job: bytes, end: float, limit: int
) -> tuple[bytes, bytes, End | None]:
    """Write the job and read the output until it ends, floods or takes too long."""
    talk, feed = _Talk(process, limit), process.stdin
    cut: End | None = None
    if feed is not None:
        os.set_blocking(feed.fileno(), False)
        talk.selector.register(feed, selectors.EVENT_WRITE)
    with talk.selector:
        while talk.selector.get_map() and cut is None:
            for key, _ in talk.selector.select(max(0.0, end - time.monotonic())):
                if key.fileobj is feed and feed is not None:
                    try:
                        job = job[os.write(feed.fileno(), job[: 1 << 16]) :]
                    except BrokenPipeError:
                        job = b""
                    if not job:
                        talk.selector.unregister(feed)
                        feed.close()
                else:
                    talk.read(key.fileobj)  # type: ignore[arg-type]
            cut = End.FLOODED if talk.flooded else End.TIMEOUT if time.monotonic() >= end else None
    out, err = (bytes(text[:limit]) for text in talk.texts.values())
    if cut is None:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            cut = End.TIMEOUT
    return out, err, cut


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End bubblewrap or the container's client; what is inside dies with the first process of its namespace."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _read_end(out: bytes, err: bytes, cut: End | None, status: int, seconds: float) -> Ran:
    said = err.decode(errors="replace")
    if not out.startswith(_MARK):
        lines = said.strip().splitlines()
        msg = f"the program was not started ({lines[-1] if lines else cut or f'exit status {status}'})"
        raise SandboxError(msg)
    end = cut or (End.DONE if status == 0 else End.KILLED if status > 128 or status < 0 else End.FAILED)
    return Ran(end, out.removeprefix(_MARK).decode(errors="replace"), said, seconds)
