"""podman in place of Docker: its API, its health checks, and images where none can be pulled.

Everything is kept below .cache/docker. It runs as root, without systemd, and its builds use the network of the
machine and the certificates that the machine trusts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sentiment_testing.kafka.guard import guarded
from sentiment_testing.kafka.jars import find_class_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache/docker"
KAFKA: Final = Path(__file__).with_name("stand_in") / "kafka"
BASE: Final = "localhost/sentiment-stream/base:stand-in"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
START_S: Final = 20.0

# crun, the default, does not start containers where control groups are in hybrid mode, and the default limits are
# above those that a container's own root may set.
CONTAINERS: Final = """\
[engine]
runtime = "runc"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
"""
STORAGE: Final = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


@contextmanager
def running_podman() -> Iterator[Mapping[str, str]]:
    """Serves Docker's API, and runs health checks; yields the variables of clients and of podman itself."""
    (CACHE / "tmp").mkdir(parents=True, exist_ok=True)
    (CACHE / "containers.conf").write_text(CONTAINERS)
    (CACHE / "storage.conf").write_text(STORAGE.format(folder=CACHE))
    _forget_another_place()
    folder = Path(tempfile.mkdtemp(prefix="podman-"))
    socket = folder / "podman.sock"
    environ = {
        "CONTAINERS_CONF": str(CACHE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(CACHE / "storage.conf"),
        "TMPDIR": str(CACHE / "tmp"),  # where `--mount=type=cache` of the Dockerfile is kept
        "DOCKER_HOST": f"unix://{socket}",
        # podman's API does not say on which network a container is when it is asked as testcontainers does.
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
        "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
    }
    command = ["env", *(f"{name}={value}" for name, value in environ.items())]
    command += ["podman", "--log-level=error", "system", "service", "--time=0", f"unix://{socket}"]
    try:
        with guarded(command, folder, CACHE / "service.log") as service:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                if service.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"podman did not start: {(CACHE / 'service.log').read_text()[-600:]}")
                time.sleep(0.05)
            ended = threading.Event()
            checks = threading.Thread(target=_check_health, args=(environ, ended), daemon=True)
            checks.start()
            try:
                yield environ
            finally:
                ended.set()
                checks.join()
    finally:
        _unmount()


def _unmount() -> None:
    """Leaves no mount below the folder, which could not be deleted then."""
    # Read anew each time: the end of one mount can take others along.
    while mounts := _mounts():
        subprocess.run(["umount", "--lazy", max(mounts)], check=True)


def _mounts() -> list[str]:
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in places if Path(place).is_relative_to(CACHE)]


def _forget_another_place() -> None:
    """Removes podman's database, not its images, if the folder was moved or copied.

    It holds absolute paths: containers were made at the old place, and their ends were never noticed.
    """
    place = CACHE / "place"
    if place.is_file() and place.read_text() == str(CACHE):
        return
    for name in ("storage/libpod", "run"):
        shutil.rmtree(CACHE / name, ignore_errors=True)
    place.write_text(str(CACHE))


def _check_health(environ: Mapping[str, str], ended: threading.Event) -> None:
    """Runs the checks of containers that are not healthy yet: podman leaves that to systemd, which is not here."""
    while not ended.wait(1.0):
        waiting = ["--filter", "health=starting", "--filter", "health=unhealthy"]
        names = _podman(environ, "ps", "--quiet", *waiting, check=False).split()
        for name in names:
            _podman(environ, "healthcheck", "run", name, check=False)  # 1 while it fails; its state is kept


def build(environ: Mapping[str, str], context: Path, tag: str, *options: str) -> None:
    """Builds an image, on the stand-in for the base image; layers that it replaces stay as a cache."""
    # The format `docker` has health checks, that of OCI has none. `chroot` needs no rights on control groups.
    fixed = ("--format", "docker", "--isolation", "chroot", "--layers", "--pull=never", "--quiet")
    _podman(environ, "build", *fixed, "--build-arg", f"BASE_IMAGE={BASE}", *options, "--tag", tag, str(context))


def build_base(environ: Mapping[str, str]) -> None:
    """Imports the distribution of this machine with its Python, once, as the stand-in for the base image."""
    if _podman(environ, "images", "--quiet", BASE).strip():
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        codename, mirror = _distribution()
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, str(folder), mirror],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.copy(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))
        for package in (folder / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        archive = CACHE / "base.tar"
        subprocess.run(["tar", "-C", name, "-cf", str(archive), "."], check=True)
    _podman(environ, "import", "--quiet", str(archive), BASE)
    archive.unlink()


def run_nothing(environ: Mapping[str, str]) -> None:
    """Runs a container of the base image, with a network, to see that it can be done."""
    _podman(environ, "run", "--rm", "--publish", "127.0.0.1::8000", BASE, "true")


def build_kafka(environ: Mapping[str, str], tag: str) -> None:
    """Builds the stand-in for apache/kafka from the jars that Maven fetches."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        context = Path(name) / "kafka"
        shutil.copytree(KAFKA, context)
        (context / "libs").mkdir()
        for jar in find_class_path().split(os.pathsep):
            shutil.copy2(jar, context / "libs")
        build(environ, context, tag)


def _distribution() -> tuple[str, str]:
    """The code name of this machine's distribution, and the mirror that apt uses for it."""
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    codename = release["VERSION_CODENAME"].strip('"')
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    mirror = next(line.split()[1] for line in listed.splitlines() if line.split()[0] == codename)
    return codename, mirror


def _podman(environ: Mapping[str, str], *arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ["podman", *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )
    if check and done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-30:])
        raise AssertionError(f"podman {' '.join(arguments)} ended with {done.returncode}:\n{tail}")
    return done.stdout
