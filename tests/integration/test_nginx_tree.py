# SPDX-License-Identifier: MIT
"""nginx/ as it lies in git: valid, without words to be filled in, and with the settings that render would write."""
import os
import re
import subprocess

import pytest

from lib.nginx_alone import NGINX, RENDER

SOURCES = RENDER.parent
FILES = sorted(SOURCES.rglob("*.conf"))


def judge(directory, *before):
    """nginx's opinion of the sources; `directory` is where its relative paths lead to."""
    return subprocess.run([*before, "env", "-u", "NGINX", NGINX, "-e", "stderr", "-p", f"{directory}/", "-c",
                           SOURCES / "nginx.conf", "-t", "-q"], cwd=directory, capture_output=True, text=True,
                          check=False)


def test_nginx_takes_the_sources(tmp_path):
    done = judge(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_nginx_takes_them_as_an_ordinary_user(tmp_path):
    if subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "test", "-r", SOURCES / "nginx.conf"],
                      check=False).returncode:
        pytest.skip("an ordinary user cannot read the sources where they lie")
    for above in (tmp_path, *tmp_path.parents[:-2]):
        above.chmod(0o755)
    os.chown(tmp_path, 65534, 65534)
    done = judge(tmp_path, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_file_is_used(tmp_path):
    """By nginx.conf, or by those who copy it into an nginx of their own."""
    used = subprocess.run(["env", "-u", "NGINX", NGINX, "-e", "stderr", "-p", f"{tmp_path}/", "-c",
                           SOURCES / "nginx.conf", "-T", "-q"], cwd=tmp_path, capture_output=True, text=True,
                          check=True).stdout
    files = {SOURCES / name for name in re.findall(rf"^# configuration file {re.escape(str(SOURCES))}/(\S+):$", used,
                                                   re.MULTILINE)}
    only_with_tls = {SOURCES / "tls.conf"}
    assert set(FILES) - files == only_with_tls | set(SOURCES.glob("trace_gateway_*.conf"))


def test_there_is_nothing_to_fill_in():
    """${name} is nginx's own way to say where a variable's name ends."""
    text = {file: file.read_text() for file in FILES}
    assert not {file: found for file in FILES if (found := re.findall(r"\$\{[A-Z_]+\}", text[file]))}


def test_the_settings_are_those_of_render(tmp_path):
    """Of a system with all of its parts, in the directory where nginx runs; there are no directories in that yet."""
    (tmp_path / "nginx").write_text("#!/bin/sh\necho 'nginx version: nginx/1.22.1' >&2\n")
    (tmp_path / "nginx").chmod(0o755)
    run = tmp_path / "run"
    settings = {"NGINX": tmp_path / "nginx", "TRACE_STORE": "on", "CONSOLE": "on", "RUN_DIR": run, "LOG_DIR": run}
    subprocess.run([RENDER, run / "nginx"], env={"PATH": os.environ["PATH"], **settings}, check=True)
    for file in sorted((run / "nginx/settings").iterdir()):
        text = file.read_text().replace(f"{run}/tmp/", "").replace(f"{run}/", "").replace(f'"{run}"', '"."')
        text = re.sub(r"^(user root|    listen \[::\].*);\n", "", text, flags=re.MULTILINE)  # as the machine is
        text = re.sub(r"(worker_rlimit_nofile) \d+", r"\1 8192", text)
        text = re.sub(r"(worker_connections) \d+", r"\1 4096", text)
        text = re.sub(r'(return 200) "[0-9a-f]{16}"', r'\1 "none"', text)
        assert text == (SOURCES / "settings" / file.name).read_text(), file.name
