"""Programs that try to get out. Skipped, with the reason, where the machine has no sandbox."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hydrometer.sandbox import (
    End,
    Limits,
    Sandbox,
    SandboxError,
    find_sandbox,
    seccomp_filter,
    try_sandbox,
)

FOUND = find_sandbox()
needed = pytest.mark.skipif(FOUND.sandbox is None, reason=FOUND.reason or "there is a sandbox")


@pytest.fixture(params=["as found", "user namespace"])
def box(request: pytest.FixtureRequest) -> Sandbox:
    """The sandbox of this machine; when root runs the tests, also the way in which others get it."""
    assert FOUND.sandbox is not None
    if request.param == "as found":
        return FOUND.sandbox
    if not FOUND.sandbox.privileged or FOUND.sandbox.kind != "bubblewrap":
        pytest.skip("the sandbox found is this one already")
    other = Sandbox(kind="bubblewrap", program=FOUND.sandbox.program, privileged=False)
    if fault := try_sandbox(other):
        pytest.skip(f"no user namespaces here: {fault}")
    return other


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    find_sandbox.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    yield
    find_sandbox.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
def test_without_a_sandbox_there_is_a_reason_and_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(subprocess, "Popen", started)
    found = find_sandbox()
    assert found.sandbox is None
    assert "bubblewrap" in found.reason
    assert "none is installed" in found.reason


def test_a_program_that_does_not_enclose_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    fake.chmod(0o755)
    sandbox = Sandbox(kind="bubblewrap", program=str(fake))
    with pytest.raises(SandboxError, match="no namespaces here"):
        sandbox.run("print(1)")
    assert "no namespaces here" in try_sandbox(sandbox)
    assert "cannot start" in try_sandbox(Sandbox(kind="bubblewrap", program=str(tmp_path / "missing")))


def test_containers_are_closed_too() -> None:
    command = Sandbox(kind="podman", program="podman").command("name", 3)
    text = " ".join(command)
    for option in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges", "--pull never"):
        assert option in text
    assert "--pids-limit" in command
    assert "--volume" not in command


@needed
def test_a_program_runs_and_reads_its_input(box: Sandbox) -> None:
    ran = box.run("import sys, collections\nprint(sum(map(int, sys.stdin.read().split())))", "1 2\n3")
    assert (ran.end, ran.stdout, ran.stderr) == (End.DONE, "6\n", "")


@needed
def test_a_crash_is_told(box: Sandbox) -> None:
    ran = box.run("print('so far', flush=True)\n1 / 0")
    assert (ran.end, ran.stdout) == (End.FAILED, "so far\n")
    assert "ZeroDivisionError" in ran.stderr
    assert box.run("def f(:").end is End.FAILED


@needed
def test_long_programs_and_texts_pass(box: Sandbox) -> None:
    ran = box.run("# " + "x" * 300_000 + "\nprint(len(input()))", "y" * 200_000)
    assert ran.stdout == "200000\n"


@needed
@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/hostname", "/proc/1/environ", "/proc/self/status", "/sys/kernel", "/root", "/home",
     "/usr/bin", "/var/log", "/dev/mem", "/tmp", str(Path.home()), str(Path(__file__).resolve()), str(Path.cwd())],
)  # fmt: skip
def test_host_files_are_not_there(box: Sandbox, path: str) -> None:
    ran = box.run(f"import os\nprint(os.path.lexists({path!r}))")
    assert (ran.end, ran.stdout) == (End.DONE, "False\n")


@needed
def test_only_the_work_folder_can_be_written(box: Sandbox, tmp_path: Path) -> None:
    places = ["/x", "/python/x", "/python/lib/x", "/usr/x", "/usr/lib/x", "/etc/x", "/dev/x", str(tmp_path / "x")]
    program = (
        f"for place in {places!r}:\n    try:\n        open(place, 'w')\n        print('wrote', place)\n"
        "    except OSError:\n        pass\nopen('mine', 'w').write('ok')\nprint(open('mine').read())"
    )
    ran = box.run(program)
    assert (ran.end, ran.stdout) == (End.DONE, "ok\n")
    assert list(tmp_path.iterdir()) == []
    assert not Path("mine").exists()
    # The next program finds nothing of the last one.
    assert box.run("import os\nprint(os.listdir())").stdout == "[]\n"


@needed
def test_the_environment_stays_outside(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    assert "hush" not in box.run("import os\nprint(dict(os.environ))").stdout


@needed
def test_installed_packages_stay_outside(box: Sandbox) -> None:
    ran = box.run("import sys\nprint(sys.path)\nimport pytest")
    assert "No module named 'pytest'" in ran.stderr
    assert str(Path(sys.prefix)) not in ran.stdout


@needed
def test_there_is_no_network(box: Sandbox) -> None:
    heard = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(2.0)

        def listen() -> None:
            try:
                server.accept()
                heard.set()
            except TimeoutError:
                pass

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        families = "(socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, 'AF_VSOCK', 40))"
        ran = box.run(
            f"import socket\nfor family in {families}:\n    try:\n        socket.socket(family).close()\n"
            "        print('opened', family)\n    except OSError:\n        pass\n"
            f"socket.create_connection(('127.0.0.1', {port}), 1)"
        )
        thread.join()
    assert ran.end is End.FAILED
    assert ran.stdout == ""
    assert not heard.is_set()


@needed
def test_a_fork_bomb_is_stopped(box: Sandbox) -> None:
    if os.geteuid() == 0 and not box.privileged:
        pytest.skip("the kernel counts no processes of root's, hence the other way in")
    # Bounded, like everything here that would hurt if the sandbox were broken.
    ran = box.run(
        "import os, time\nmade = 0\ntry:\n    while made < 60:\n        if os.fork() == 0:\n"
        "            time.sleep(20)\n            os._exit(0)\n        made += 1\nexcept OSError:\n    pass\nprint(made)"
    )
    assert ran.end is End.DONE
    assert int(ran.stdout) < Limits().processes


@needed
def test_processes_left_behind_die(box: Sandbox, tmp_path: Path) -> None:
    name = f"left{os.getpid()}{time.monotonic_ns()}"
    program = (
        "import os, sys, time, ctypes\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        ctypes.CDLL(None).prctl(15, b'{name[:15]}', 0, 0, 0)\n"
        "        time.sleep(60)\n    os._exit(0)\n"
        "time.sleep(0.2)\nprint('left')"
    )
    clock = time.monotonic()
    ran = box.run(program)
    # The child holds the output open: it must not be waited for, and be gone with its parent.
    assert (ran.end, ran.stdout) == (End.DONE, "left\n")
    while name[:15] in _process_names() and time.monotonic() - clock < 10:
        time.sleep(0.02)
    assert time.monotonic() - clock < 10


@needed
def test_the_parent_cannot_be_signalled(box: Sandbox) -> None:
    # A process of our own stands for the rest of the machine. Never -1 or 1: should the sandbox be broken, that
    # would end whatever runs beside the tests.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        ran = box.run(
            f"import os, signal\nprint('begun', flush=True)\nfor pid in ({victim.pid}, os.getppid()):\n    try:\n"
            "        os.kill(pid, signal.SIGKILL)\n    except OSError:\n        pass\nprint('still here')"
        )
        assert victim.poll() is None
        victim.kill()
    assert (ran.end, ran.stdout) == (End.DONE, "begun\nstill here\n")


@needed
def test_endless_loops_are_stopped_by_computing_time(box: Sandbox) -> None:
    quick = Sandbox(kind=box.kind, program=box.program, privileged=box.privileged, limits=Limits(cpu=1, wall=20))
    ran = quick.run("while True: pass")
    assert ran.end is End.KILLED
    assert ran.seconds < 20


@needed
def test_sleepers_are_stopped_by_the_clock(box: Sandbox) -> None:
    quick = Sandbox(kind=box.kind, program=box.program, privileged=box.privileged, limits=Limits(wall=1.0))
    # A sleeper in the background must not outlast it either.
    ran = quick.run("import os, time\nprint('begun', flush=True)\nos.fork()\ntime.sleep(60)")
    assert (ran.end, ran.stdout) == (End.TIMEOUT, "begun\n")
    assert ran.seconds < 5


@needed
def test_endless_output_is_cut(box: Sandbox) -> None:
    for stream in ("stdout", "stderr"):
        ran = box.run(f"import sys\nwhile True:\n    sys.{stream}.write('y' * 10_000)")
        assert ran.end is End.FLOODED
        assert len(ran.stdout) <= Limits().output
        assert len(ran.stderr) <= Limits().output


@needed
def test_memory_is_limited(box: Sandbox) -> None:
    ran = box.run("held = [bytearray(1 << 24) for _ in range(32)]\nprint('got it')")
    assert ran.end is End.FAILED
    assert "MemoryError" in ran.stderr
    assert ran.stdout == ""


@needed
def test_files_cannot_fill_the_memory(box: Sandbox) -> None:
    ran = box.run(
        "import os\ntry:\n    with open('big', 'wb') as file:\n        file.write(bytes(1 << 22))\n"
        "except OSError:\n    print('too big')\nos.remove('big')\nmade = 0\ntry:\n    while made < 40:\n"
        "        with open(str(made), 'wb') as file:\n            file.write(bytes(1 << 20))\n        made += 1\n"
        "except OSError:\n    pass\nprint(made)"
    )
    assert ran.stdout == f"too big\n{Limits().folder >> 20}\n"


@needed
def test_other_ways_to_the_kernel_are_closed(box: Sandbox) -> None:
    if box.kind != "bubblewrap":
        pytest.skip("containers bring a filter of their own")
    ran = box.run(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "tried = {'unshare': lambda: libc.unshare(0x10000000), 'memfd': lambda: libc.memfd_create(b'x', 0),\n"
        "'shm': lambda: libc.shmget(0, 4096, 0o1600), 'mount': lambda: libc.mount(b'a', b'/work', b'tmpfs', 0, 0),\n"
        "'ptrace': lambda: libc.ptrace(0, 0, 0, 0), 'clone': lambda: libc.syscall(56, 0x10000011, 0, 0, 0, 0)}\n"
        "for name, call in tried.items():\n    if call() != -1:\n        print('open', name)\n"
        "try:\n    os.setuid(0)\n    print('root')\nexcept OSError:\n    pass\nprint(os.getuid() == 0)"
    )
    assert ran.stdout == "False\n"


@needed
def test_threads_still_work(box: Sandbox) -> None:
    ran = box.run("import threading\nt = threading.Thread(target=print, args=('hi',))\nt.start()\nt.join()")
    assert ran.stdout == "hi\n"


def test_the_filter_is_well_formed() -> None:
    program = seccomp_filter()
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


def _process_names() -> set[str]:
    names = set()
    for place in Path("/proc").glob("[0-9]*/comm"):
        try:
            names.add(place.read_text().strip())
        except OSError:
            continue
    return names
