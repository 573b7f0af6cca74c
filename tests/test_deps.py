# SPDX-License-Identifier: MIT
"""What stack/native/deps does to a machine: on a pretended one, and by the real apt on a copy of this one's files."""
import os
import pty
import subprocess
from pathlib import Path

import pytest

DEPS = Path(__file__).resolve().parents[1] / "stack/native/deps"
# The package's state, architecture and Multi-Arch, as dpkg-query prints them for deps.
INSTALLED = "installed\tamd64\tno"
# Programs that stand in for the machine's; they write down how they were called.
PRETENDED = {
    "dpkg": "echo amd64",
    "dpkg-query": 'case $1 in -W) cat "$PRETEND/status" ;; -L) shift; for i; do cat "$PRETEND/files.$i"; done ;; esac',
    "apt-cache": 'case $2 in unknown*) ;; *) echo "Candidate: 1" ;; esac',
    "id": 'cat "$PRETEND/id"',
    "systemctl": 'echo "systemctl $*" >>"$PRETEND/calls"; [ "$1" != is-enabled ] || cat "$PRETEND/enabled"',
    "apt-get": '''echo "apt-get $*" >>"$PRETEND/calls"
        case " $* " in
        *" -s "*) cat "$PRETEND/plan" ;;
        *" update "*) ;;
        *)
            cp "$DPKG_ROOT/usr/sbin/policy-rc.d" "$PRETEND/policy" 2>/dev/null
            cat "$PRETEND/output"
            cat "$PRETEND/then" >>"$PRETEND/status"
            exit "$(cat "$PRETEND/code")" ;;
        esac''',
}


class Pretended:
    """A machine with one package, nginx to be installed."""

    def __init__(self, directory):
        self.directory = directory
        self.root = directory / "root"
        (self.root / "usr/sbin").mkdir(parents=True)
        (self.root / "lib/systemd/system").mkdir(parents=True)
        (self.root / "lib/systemd/system/cron.service").touch()
        (directory / "bin").mkdir()
        for name, script in PRETENDED.items():
            self.program(name, script)
        self.write(status=f"{INSTALLED}\tbase \n", id="0\n", plan="", output="", then="", code="0", calls="",
                   enabled="")

    def program(self, name, script):
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def write(self, **files):
        for name, text in files.items():
            (self.directory / name).write_text(text)

    def environment(self):
        return {"PATH": f"{self.directory}/bin:/usr/bin:/bin", "PRETEND": str(self.directory), "TERM": "xterm",
                "DPKG_ROOT": str(self.root)}

    def deps(self, *arguments):
        return subprocess.run([DEPS, *arguments], env=self.environment(), capture_output=True, text=True, check=False,
                              timeout=60)

    def calls(self):
        return (self.directory / "calls").read_text()


@pytest.fixture
def machine(tmp_path):
    return Pretended(tmp_path)


@pytest.mark.parametrize("line, asked", [
    (f"{INSTALLED}\tcurl ", "curl"),
    ("triggers-awaited\tamd64\tno\tcurl ", "curl"),
    ("installed\tall\tno\tpython3-yaml ", "python3-yaml"),
    ("installed\tamd64\tsame\tzlib1g-dev \ninstalled\ti386\tsame\tzlib1g-dev ", "zlib1g-dev"),
    ("installed\ti386\tforeign\tcurl ", "curl"),
    ("installed\tamd64\tsame\tlibcurl4t64 libcurl4 (= 8.5.0)", "libcurl4"),
    (f"{INSTALLED}\tlibcurl4-gnutls-dev libcurl-dev, libcurl3-dev", "libcurl4-openssl-dev|libcurl-dev"),
])
def test_a_package_is_there(machine, line, asked):
    machine.write(status=line + "\n")
    done = machine.deps(asked)
    assert (done.returncode, done.stdout + done.stderr, machine.calls()) == (0, "", "")


@pytest.mark.parametrize("line", [
    "config-files\tamd64\tno\tcurl ", "unpacked\tamd64\tno\tcurl ", "installed\ti386\tsame\tcurl ",
    f"{INSTALLED}\tcurlew ", f"{INSTALLED}\tother libcurl (= curl)",
])
def test_a_package_is_missing(machine, line):
    machine.write(status=f"{INSTALLED}\tbase \n{line}\n")
    assert machine.deps("curl|curl-next").returncode == 0
    assert "--no-remove --no-install-recommends install curl\n" in machine.calls()


def test_what_would_be_removed_is_told_and_stays(machine):
    machine.write(plan="Remv libcurl4-gnutls-dev [7.88]\nRemv needs-it [1]\nInst libcurl4-openssl-dev (7.88)\n")
    done = machine.deps("libcurl4-openssl-dev")
    assert done.returncode == 1
    assert "would remove libcurl4-gnutls-dev needs-it to install libcurl4-openssl-dev" in done.stderr
    assert machine.calls().count("apt-get") == 1 and " -s " in machine.calls(), "it was only asked"


PROGRESS = """Get:1 http://deb nginx 1.22
dlstatus:1:0.0:Retrieving file 1 of 2 (3s remaining)
dlstatus:2:50.0:Retrieving file 2 of 2 (1s remaining)
pmstatus:dpkg-exec:0.0000:Running dpkg
pmstatus:nginx-common:2.0:Unpacking nginx-common (all)
pmstatus:nginx:4.0:Unpacking nginx (amd64)
pmstatus:nginx:50.0:Configuring nginx (amd64)
pmstatus:nginx:100.0:Installed nginx (amd64)
"""


def test_progress_in_plain_lines(machine):
    machine.write(output=PROGRESS)
    done = machine.deps("nginx")
    assert done.stdout.splitlines() == [
        "installing with apt, which may take a minute: nginx", "  downloading 1 of 2", "  downloading 2 of 2",
        "  unpacking nginx-common", "  setting up nginx"]


def test_progress_in_place_on_a_terminal(machine):
    machine.write(output=PROGRESS)
    inner, outer = pty.openpty()
    with os.fdopen(inner, "rb", buffering=0) as screen:
        subprocess.run([DEPS, "nginx"], env=machine.environment(), stdout=outer, check=True, timeout=60)
        os.close(outer)
        text = b""
        try:
            while chunk := screen.read(4096):
                text += chunk
        except OSError:  # the end of a terminal
            pass
    lines = text.decode().split("\r\n")
    assert len(lines) == 2, "one line, and then the one that changes"
    assert lines[1].split("\r\x1b[K  ")[1:] == [
        "downloading 1 of 2", "downloading 2 of 2", "unpacking nginx-common", "unpacking nginx",
        "setting up nginx\r\x1b[K"]


def test_what_apt_says_when_it_fails(machine):
    machine.write(output="Get:1 http://deb nginx\nErr:1 http://deb nginx\n  Temporary failure resolving 'deb'\n"
                  "E: Unable to fetch some archives\n", code="100")
    done = machine.deps("nginx")
    assert done.returncode == 1
    for text in ("Temporary failure resolving 'deb'", "E: Unable to fetch", "did not install nginx", "offline"):
        assert done.stderr.count(text) == 1, done.stderr
    assert "Get:1" not in done.stderr
    assert machine.calls().count(" update\n") == 1, "once more, with a new index"
    assert not list((machine.root / "usr/sbin").iterdir())


def test_wanted_packages_are_gone_without(machine):
    machine.write(code="100", output="E: broken\n")
    done = machine.deps("base", "--wanted", "chromium", "unknown-browser")
    assert done.returncode == 0
    assert "going on without unknown-browser, which apt does not know" in done.stderr
    assert "E: broken" in done.stderr and "going on without: chromium" in done.stderr


def test_services_are_held_while_apt_runs_and_left_disabled(machine):
    machine.write(then=f"{INSTALLED}\tnginx \n{INSTALLED}\tnginx-common \n", enabled="enabled\n",
                  **{"files.nginx": "/.\n/usr/sbin/nginx\n", "files.nginx-common":
                     "/lib/systemd/system/nginx.service\n/usr/lib/systemd/system/debug@.service\n/etc/init.d/nginx\n"})
    (machine.root / "run/systemd/system").mkdir(parents=True)
    done = machine.deps("nginx")
    assert done.returncode == 0 and "neither started nor enabled: nginx.service\n" in done.stdout, done.stderr
    assert machine.calls().splitlines()[-2:] == [
        "systemctl is-enabled nginx.service", "systemctl disable --quiet --now nginx.service"]
    assert not list((machine.root / "usr/sbin").iterdir()), "the policy is gone"

    policy = machine.directory / "policy"  # as it stood while apt ran; now its process has ended
    assert os.access(policy, os.X_OK)
    assert subprocess.run([policy, "nginx.service", "start"], check=False).returncode == 0
    policy.write_text("".join(line for line in policy.read_text().splitlines(True) if "/stat" not in line))
    answers = {name: subprocess.run([policy, name, "start"], check=False).returncode
               for name in ("nginx.service", "nginx", "cron.service", "cron")}
    assert answers == {"nginx.service": 101, "nginx": 101, "cron.service": 0, "cron": 0}


def test_an_interruption_leaves_no_policy(machine):
    machine.program("apt-get", """case " $* " in *" -s "*) exit ;; esac
        kill -TERM "$(sed -n 's/.*process \\([0-9]*\\) runs.*/\\1/p' "$DPKG_ROOT/usr/sbin/policy-rc.d")"
        touch "$PRETEND/ended" """)
    assert machine.deps("nginx").returncode == 143
    assert (machine.directory / "ended").exists(), "apt is never left halfway"
    assert not list((machine.root / "usr/sbin").iterdir())


def test_units_that_were_there_or_are_not_enabled_stay_as_they_are(machine):
    machine.write(then=f"{INSTALLED}\tnginx \n", enabled="static\n",
                  **{"files.nginx": "/lib/systemd/system/nginx.service\n"})
    assert machine.deps("nginx").returncode == 0
    assert "disable" not in machine.calls()
    machine.write(status=f"{INSTALLED}\tnginx \n", then="", enabled="enabled\n", calls="")
    assert machine.deps("nginx", "curl").returncode == 0
    assert "systemctl" not in machine.calls(), "it did not come in this call"


def test_a_policy_that_is_there_stays(machine):
    policy = machine.root / "usr/sbin/policy-rc.d"
    policy.write_text("mine")
    assert machine.deps("nginx").returncode == 0
    assert policy.read_text() == "mine" and [policy] == list(policy.parent.iterdir())


def test_without_rights_the_whole_command_is_printed(machine):
    machine.write(id="1000\n")
    machine.program("sudo", "exit 1")  # not in the sudoers file
    done = machine.deps("curl|other", "base", "nginx", "--wanted", "chromium")
    assert done.returncode == 1
    assert done.stderr.endswith("apt-get install --no-install-recommends --no-remove curl nginx chromium\n")
    assert machine.deps("base", "--wanted", "chromium").returncode == 0, "what is only wanted is no fault"
    assert not machine.calls()


def test_sudo_is_given_the_same(machine):
    machine.write(id="1000\n")
    machine.program("sudo", 'echo 0 >"$PRETEND/id"; exec "$@"')
    assert machine.deps("curl").returncode == 0
    assert machine.calls().endswith("install curl\n")


@pytest.mark.parametrize("status", ["", "not-installed\tamd64\tno\tdpkg \n"])
def test_another_distribution(machine, status):
    machine.write(status=status)
    done = machine.deps("curl", "--wanted", "chromium")
    assert done.returncode == 0 and "not Debian or Ubuntu" in done.stderr and "curl chromium" in done.stderr
    assert not machine.calls()


def test_a_system_that_cannot_be_written_to(machine):
    (machine.root / "usr/sbin").rmdir()
    done = machine.deps("curl")
    assert done.returncode == 1 and "read-only" in done.stderr and "curl" in done.stderr
    assert not machine.calls()


# ---- the real apt, on a copy of this machine's files in memory -----------------------------------------------------

# COPY DIRECTORY: runs DIRECTORY/inside with this machine's files below it, in namespaces that end with it.
COPY = """set -eu
umask 022
cd "$1"
mkdir memory machine
mount -t tmpfs memory memory
mkdir memory/upper memory/work
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" machine
cp -r archive machine/archive
chmod -R a+rX machine/archive
cp inside machine/inside
cp "$2" machine/deps
mount -t proc proc machine/proc
mount -t tmpfs -o mode=755 tmpfs machine/run
mount -t tmpfs -o mode=1777 tmpfs machine/tmp
mount --rbind /dev machine/dev
echo copied
exec chroot machine env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh /inside
"""
INSIDE = """exec 2>&1
rm /sbin/runlevel
printf '#!/bin/sh\necho N 5\n' >/sbin/runlevel
chmod 755 /sbin/runlevel
rm -rf /usr/sbin/policy-rc.d /etc/apt/sources.list /etc/apt/sources.list.d /var/lib/apt/lists
echo 'deb [trusted=yes] file:/archive ./' >/etc/apt/sources.list
/deps apm-probe && echo installed
/deps apm-probe && echo quiet
apt-mark hold apm-probe >/dev/null && /deps apm-probe 'other|apm-virtual' && echo quiet on hold
apt-mark unhold apm-probe >/dev/null
/deps apm-rival || echo refused
/deps apm-none || echo none
ls /started /usr/sbin/policy-rc.d /etc/systemd/system/multi-user.target.wants/apm-probe.service
dpkg-query -W apm-probe apm-rival
apt-get -qq install apm-second >/dev/null 2>&1
ls /started
"""
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: NAME
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
touch /started
"""
POSTINST = """#!/bin/sh
deb-systemd-helper enable NAME.service >/dev/null
update-rc.d NAME defaults >/dev/null
invoke-rc.d NAME start
"""


def make_package(archive, name, control=""):
    """A package with a service, whose start leaves a mark; the index of the archive names it."""
    files = {"lib/systemd/system/NAME.service": UNIT, "DEBIAN/postinst": POSTINST,
             "etc/init.d/NAME": SCRIPT}
    tree = archive.parent / name
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: apm <a@b>\nDescription: none\n{control}"
    for path, text in {**files, "DEBIAN/control": control}.items():
        path = tree / path.replace("NAME", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("NAME", name))
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    for directory in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        directory.chmod(0o755)
    package = archive / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, stdout=subprocess.DEVNULL)
    digest = subprocess.run(["sha256sum", package], check=True, capture_output=True, text=True).stdout.split()[0]
    with open(archive / "Packages", "a", encoding="utf-8") as index:
        index.write(f"{control}Filename: ./{name}.deb\nSize: {package.stat().st_size}\nSHA256: {digest}\n\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="a copy of this machine's files needs root")
def test_the_real_apt(tmp_path):
    archive = tmp_path / "archive"
    archive.mkdir()
    make_package(archive, "apm-probe", "Provides: apm-virtual\n")
    make_package(archive, "apm-second")
    make_package(archive, "apm-rival", "Conflicts: apm-probe\n")
    (tmp_path / "inside").write_text(INSIDE)
    done = subprocess.run(["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "sh", "-c",
                           COPY, "sh", tmp_path, DEPS], capture_output=True, text=True, check=False, timeout=300)
    if not done.stdout.startswith("copied\n"):
        pytest.skip(f"no copy of this machine's files: {done.stderr.strip()}")
    installed, quiet, told = done.stdout.partition("installed\nquiet\nquiet on hold\n")
    assert quiet, done
    assert "  setting up apm-probe\n" in installed
    assert "neither started nor enabled: apm-probe.service\n" in installed
    assert "would remove apm-probe to install apm-rival" in told and "refused\n" in told, done
    assert "Unable to locate package apm-none" in told and "\nnone\n" in told, done
    for path in ("/started", "/usr/sbin/policy-rc.d", "multi-user.target.wants/apm-probe.service"):
        assert f"{path}': No such file" in told, done
    assert "apm-probe\t1\n" in told and "no packages found matching apm-rival" in told
    assert told.endswith("\n/started\n"), "without deps its services start"
