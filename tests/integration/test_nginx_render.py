# SPDX-License-Identifier: MIT
"""nginx/render: what it writes, what it refuses, and that nginx runs with it as anybody, anywhere."""
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lib.client import Client
from lib.nginx_alone import NGINX, RENDER, NginxAlone, copy_nginx, nginx_version, render
from lib.ports import free_port, free_ports
from lib.wait import wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_services():
    assert sorted(render("--services").stdout.splitlines()) == ["notifications 8083", "orders 8082", "users 8081"]
    assert "users 9999" in render("--services", environment={"USERS_PORT": "9999"}).stdout.splitlines()


def text_of(directory):
    return {path.relative_to(directory).as_posix(): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_output(tmp_path):
    """Relative directories count from where render is called; a second run changes nothing; removed services go."""
    render("run/nginx", cwd=tmp_path)
    out = tmp_path / "run/nginx"
    first = text_of(out)
    assert f'pid "{tmp_path}/run/nginx.pid";' in first["settings/main.conf"]
    assert f'"{tmp_path}/logs/nginx-error.log"' in first["settings/main.conf"]
    assert f'$console_dir {{\n    default "{out}/console";' in first["settings/console.conf"]
    static = {path.relative_to(RENDER.parent).as_posix(): path.read_text() for path in RENDER.parent.rglob("*.conf")}
    differs = {name for name, text in first.items() if static.get(name) != text}
    assert differs == {"console/openapi.json", *(f"settings/{name}.conf" for name in (
        "main", "http", "console", "upstreams", "servers", "generation"))}, "all else is a copy"
    assert not any(path.is_symlink() for path in out.rglob("*")), "a reload would read what somebody edits"
    assert first["console/openapi.json"] == (RENDER.parent / "console/openapi.json").read_text()
    assert "listen 0.0.0.0:8080;" in first["settings/servers.conf"]
    assert "listen 127.0.0.1:8081;" in first["settings/servers.conf"]
    assert (out / "console/openapi.json").stat().st_mtime == (RENDER.parent / "console/openapi.json").stat().st_mtime
    for name in ("old.conf", "services/old.conf", "settings/old.conf"):
        (out / name).write_text("nonsense")
    render("run/nginx", cwd=tmp_path)
    assert text_of(out) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "run"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["nginx", "tmp"]


def test_addresses(tmp_path):
    environment = {"GATEWAY_ADDRESS": "::1", "SERVICE_ADDRESS": "0.0.0.0", "SOCKET_DIR": "/sockets", "RATE_LIMIT": "7"}
    render("out", cwd=tmp_path, environment=environment)
    text = text_of(tmp_path / "out")
    servers = text["settings/servers.conf"]
    assert "listen [::1]:8080;" in servers and "0.0.0.0:8080" not in servers
    assert "listen 0.0.0.0:8084;" in servers and "listen 0.0.0.0:8083;" in servers
    assert 'server "unix:/sockets/gateway.sock";' in text["settings/upstreams.conf"]
    assert "rate=7r/s" in text["settings/http.conf"] and "burst=7 " in servers


def test_the_gateway_listens_on_ipv6_where_there_is_one(tmp_path):
    render("out", cwd=tmp_path)
    known = Path("/proc/net/if_inet6")
    has = known.exists() and known.read_text() != ""
    assert ("listen [::]:8080;" in (tmp_path / "out/settings/servers.conf").read_text()) == has


@pytest.mark.parametrize("name, value, says", [
    ("GATEWAY_PORT", "x", "GATEWAY_PORT"), ("GATEWAY_PORT", "65536", "GATEWAY_PORT"), ("USERS_PORT", "8o", "USERS"),
    ("METRICS_PORT", "8080", "8080"), ("ORDERS_PORT", "8083", "8083"), ("RATE_LIMIT", "0.5", "RATE_LIMIT"),
    ("RATE_LIMIT", "-1", "RATE_LIMIT"), ("RUN_DIR", '/a"b', "path"), ("LOG_DIR", "/a$b", "path"),
    ("NGINX", "/no/nginx", "/no/nginx")])
def test_refused_settings(tmp_path, name, value, says):
    done = render("out", cwd=tmp_path, environment={name: value}, check=False)
    assert done.returncode != 0 and says in done.stderr and not (tmp_path / "out/nginx.conf").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]


def test_usage():
    assert render("--help").stdout.startswith("usage:")
    for arguments in ([], ["--what"]):
        done = render(*arguments, check=False)
        assert done.returncode == 2 and done.stderr.startswith("usage:")


def fake_nginx(tmp_path, version):
    path = tmp_path / "nginx"
    path.write_text(f"#!/bin/sh\necho 'nginx version: nginx/{version}\n"
                    "configure arguments: --without-http_scgi_module' >&2\n")
    path.chmod(0o755)
    return {"NGINX": str(path)}


@pytest.mark.parametrize("version, off", [("1.22.1", False), ("1.29.6", False), ("1.29.7", True), ("1.29.10", True),
                                          ("1.30.0", True), ("1.100.0 (Ubuntu)", True)])
def test_the_version_decides(tmp_path, version, off):
    render("out", cwd=tmp_path, environment=fake_nginx(tmp_path, version))
    assert ("keepalive 0;" in (tmp_path / "out/settings/upstreams.conf").read_text()) == off
    text = (tmp_path / "out/settings/http.conf").read_text()
    assert "uwsgi_temp_path" in text and "scgi_temp_path" not in text.replace("uwsgi_temp_path", "")


@pytest.mark.parametrize("version", ["1.18.0", "0.9.1"])
def test_too_old_an_nginx_is_refused(tmp_path, version):
    done = render("out", cwd=tmp_path, environment=fake_nginx(tmp_path, version), check=False)
    assert done.returncode == 1 and version in done.stderr


def test_a_fourth_service(tmp_path):
    """One file: its paths, its port and its health are there, for both servers."""
    copy_nginx(tmp_path)
    (tmp_path / "nginx/services/stock-items.conf").write_text(
        "# default port: 8099\nlocation /api/v1/stock-items {\n    fastcgi_pass stock-items$once;\n}\n")
    done = subprocess.run([tmp_path / "nginx/render", "--services"], capture_output=True, text=True, check=True)
    assert "stock-items 8099" in done.stdout.splitlines()
    names = ["gateway", "metrics", "users", "orders", "notifications", "stock_items"]
    ports = dict(zip(names, free_ports(len(names))))
    environment = {**os.environ, **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()}}
    environment |= {"RUN_DIR": str(tmp_path / "run"), "LOG_DIR": str(tmp_path / "logs")}
    subprocess.run([tmp_path / "nginx/render", tmp_path / "out"], env=environment, check=True)
    assert f"127.0.0.1:{ports['stock_items']};" in (tmp_path / "out/settings/servers.conf").read_text()
    subprocess.run(["env", "-u", "NGINX", NGINX, "-t", "-q", "-e", tmp_path / "logs/e",
                    "-c", tmp_path / "out/nginx.conf"], check=True)


def exercise(nginx):
    assert nginx.get("/api/v1/users").status == 200
    nginx.programs["users"].answer = lambda request: None
    assert nginx.get("/api/v1/users").status == 502
    assert nginx.request("POST", "/api/v1/orders", b"a" * 65536).status == 200
    (nginx.log / "api-gateway.log").rename(nginx.log / "old")
    nginx.signal(signal.SIGUSR1)
    wait_until(lambda: nginx.get("/api/v1/orders").status == 200 and nginx.lines(), "no new log")


def test_a_directory_with_spaces(tmp_path):
    port = free_port()
    nginx = NginxAlone(tmp_path / "a b; #c {d}", {"CONSOLE": "on", "CONSOLE_PORT": str(port)}).start()
    try:
        exercise(nginx)
        with Client(port, traced=False) as console:
            for path in ("/", "/main.js", "/openapi.json", "/logs/api-gateway.log"):
                assert console.get(path).status == 200, path
    finally:
        nginx.close()


def test_writes_only_where_it_may(tmp_path):
    """strace of a whole life: every file opened for writing, made, renamed or removed."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    nginx = NginxAlone(tmp_path)
    trace = tmp_path / "strace.out"
    nginx.render()
    process = subprocess.Popen(["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=file,bind", *nginx.command()])
    try:
        pid_file = nginx.run / "nginx.pid"
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), "nginx did not start")
        exercise(nginx)
    finally:
        nginx.close()
        process.wait(10)
    allowed = (f'"{nginx.run}/', f'"{nginx.log}/', '"/dev/')
    writing = re.compile("O_WRONLY|O_RDWR|O_CREAT|mkdir|unlink|rename|chown|chmod")
    writes = [line for line in trace.read_text(errors="replace").splitlines() if writing.search(line)]
    assert len(writes) > 5
    assert not [line for line in writes if not any(path in line for path in allowed)]


@root_only
def test_an_ordinary_user(tmp_path):
    """Without root: everything belongs to the caller, and nginx says nothing."""
    user = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"apm-nginx-{os.getpid()}"
    nginx = NginxAlone(home)
    try:
        for path in [home, *home.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", "--reuid", "nobody", "--regid", str(user.pw_gid), "--clear-groups"]
        environment = {**os.environ, **nginx.settings()}
        subprocess.run([*as_user, RENDER, nginx.run / "nginx"], env=environment, cwd="/", check=True)
        done = subprocess.run([*as_user, *nginx.command()], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done
        assert {os.stat(f"/proc/{pid}").st_uid for pid in [nginx.pid, *nginx.workers()]} == {user.pw_uid}
        exercise(nginx)
        assert {path.stat().st_uid for path in nginx.log.iterdir()} == {user.pw_uid}
    finally:
        nginx.close()
        shutil.rmtree(home)


@root_only
def test_root_with_workers_of_another_user():
    """As ctl does it: NGINX_USER for the workers, the sockets of that user's group."""
    home = Path("/tmp") / f"apm-nginx-{os.getpid()}"
    nginx = NginxAlone(home, {"NGINX_USER": "www-data"})
    try:
        for path in nginx.run.glob("*.sock"):
            shutil.chown(path, group="www-data")
        nginx.start()
        uid = pwd.getpwnam("www-data").pw_uid
        wait_until(lambda: {os.stat(f"/proc/{pid}").st_uid for pid in nginx.workers()} == {uid}, "not www-data")
        exercise(nginx)
    finally:
        nginx.close()
        shutil.rmtree(home)


@root_only
def test_root_alone(tmp_path):
    nginx = NginxAlone(tmp_path).start()
    try:
        assert {os.stat(f"/proc/{pid}").st_uid for pid in nginx.workers()} == {0}
    finally:
        nginx.close()


def test_the_version_of_the_tests(tmp_path):
    render("out", cwd=tmp_path)
    assert ("keepalive 0;" in (tmp_path / "out/settings/upstreams.conf").read_text()) == (nginx_version() >= (1, 29, 7))
