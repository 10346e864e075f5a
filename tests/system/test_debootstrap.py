# test_debootstrap.py - a bare Debian 12, a fresh clone, the README's two commands and nothing else.
# SPDX-License-Identifier: Apache-2.0
#
# The system is made by debootstrap in a folder and entered by chroot. It gets this machine's way to
# packages (sources and settings of apt, certificates, settings of Maven, name service), and no
# package beyond Debian's minimum. Needs root. What was downloaded is not shared, so that the time
# includes it.
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support import proc

pytestmark = pytest.mark.long
SETTINGS = ["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d",
            "/etc/apt/trusted.gpg.d", "/etc/apt/keyrings", "/etc/resolv.conf", "/etc/hosts",
            "/usr/local/share/ca-certificates", "/etc/maven/settings.xml"]
DEMO_S = 360  # what the issue grants the demo, with downloads


def sh(*argv, timeout_s=1800, **kw):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout_s, **kw)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


def apt_source():
    """The mirror of this machine, from its own configuration."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                          "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        uri, release, component = line.split()
        if component == "main" and release in ("bookworm", "stable"):
            return uri
    pytest.skip("apt here knows no source of Debian 12 (bookworm)")


class Bare:
    def __init__(self, root):
        self.root = root
        self.mounts = []

    def make(self):
        sh("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", self.root,
           apt_source())
        for name in SETTINGS:
            source, target = Path(name), self.root / name.lstrip("/")
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True, symlinks=False)
            elif source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", self.root / "etc/ssl/certs/ca-certificates.crt")
        for kind, where in (("proc", "proc"), ("sysfs", "sys")):
            sh("mount", "-t", kind, kind, self.root / where)
            self.mounts.append(self.root / where)
        for where in ("dev", "dev/pts"):
            sh("mount", "--bind", f"/{where}", self.root / where)
            self.mounts.append(self.root / where)
        # What the machine trusts beyond Debian's own list, Java included, once Java is there.
        sh("chroot", self.root, "update-ca-certificates")

    def run(self, command, timeout_s):
        keep = {k: v for k, v in os.environ.items() if "proxy" in k.lower()}
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/opt",
               "LANG": "C.UTF-8", **keep}
        start = time.monotonic()
        out = sh("chroot", self.root, "/bin/sh", "-ec", command, env=env, timeout_s=timeout_s)
        return out, time.monotonic() - start

    def remove(self):
        for m in reversed(self.mounts):
            subprocess.run(["umount", "-l", str(m)], check=False)
        assert not any(str(self.root) in line for line in Path("/proc/mounts").read_text().splitlines())
        shutil.rmtree(self.root, ignore_errors=True)


@pytest.fixture
def bare():
    if os.geteuid() != 0:
        pytest.skip("debootstrap and chroot need root")
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed: tests/support/install.sh debootstrap")
    machine = Bare(proc.private_folder("debian") / "root")
    try:
        machine.make()
        yield machine
    finally:
        machine.remove()


def test_readme_commands_on_a_bare_debian(bare, capsys):
    sh("git", "clone", "-q", "--no-hardlinks", proc.REPO, bare.root / "opt/chatmill")
    readme = (bare.root / "opt/chatmill" / "README.md").read_text()
    for command in ("deploy/demo.sh ", "tests/run.sh ", "deploy/demo.sh --stack"):
        assert command in readme
    out, demo_s = bare.run("cd /opt/chatmill && deploy/demo.sh", 1200)
    assert '"specversion":"1.0"' in out
    stack, stack_s = bare.run("cd /opt/chatmill && deploy/demo.sh --stack", 1200)
    assert "customer_360" in stack
    tests, tests_s = bare.run("cd /opt/chatmill && tests/run.sh", 3000)
    last = tests.strip().splitlines()[-1]
    with capsys.disabled():
        print(f"\nbare Debian 12: demo {demo_s:.0f} s, demo --stack {stack_s:.0f} s, tests {tests_s:.0f} s: "
              + last)
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed(, \d+ skipped)?", last)
    assert demo_s <= DEMO_S
