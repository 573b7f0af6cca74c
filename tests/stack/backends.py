# SPDX-License-Identifier: MIT
"""Runs the system natively and the backends with the shipped configuration, on free ports, in one directory."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from lib.ports import free_ports
from lib.system import INHERITED, ROOT
from lib.wait import wait_until

STACK = ROOT / "stack"
SERVICES = ["api-gateway", "user-service", "order-service", "notification-service"]
PORTS = ["GATEWAY", "METRICS", "USERS", "ORDERS", "NOTIFICATIONS", "TEMPO", "TEMPO_GRPC", "OTLP_GRPC", "OTLP_HTTP",
         "JAEGER", "ZIPKIN", "LOKI", "LOKI_GRPC", "ALLOY", "PROMTAIL", "PROMETHEUS", "GRAFANA", "NODE_EXPORTER",
         "ALERTMANAGER", "ALERT_LOG"]


def program(name, *others):
    """A backend's program: $NAME_BIN, else by its name on PATH; None when there is none."""
    given = os.environ.get(f"{name.upper().replace('-', '_')}_BIN")
    if given:
        return given
    return next((found for found in map(shutil.which, (name, *others)) if found), None)


def shipper():
    """The log shipper that is there: Alloy, the default, where it can be had."""
    return "alloy" if program("alloy") else "promtail"


def fetch(url, body=None, headers=None, method=None, **parameters):
    """(status, headers, text); status 0: no answer."""
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    data = json.dumps(body).encode() if body is not None else None
    headers = {**(headers or {}), **({"Content-Type": "application/json"} if data else {})}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError:
        return 0, {}, ""


def answer_of(url, **parameters):
    status, _, text = fetch(url, **parameters)
    return json.loads(text) if status == 200 else None


class Stack:
    """with Stack(directory, ["prometheus", …]) as stack: the system and these backends run."""

    def __init__(self, directory, backends):
        self.dir, self.backends = Path(directory), backends
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.processes = {}
        self.env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        self.env |= {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        self.env |= {
            "RUN_DIR": str(self.dir / "run"), "DATA_DIR": str(self.dir / "data"), "LOG_DIR": str(self.dir / "logs"),
            "CONSOLE": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": self.url("OTLP_HTTP"), "OTEL_BSP_SCHEDULE_DELAY": "200",
            # what the configuration files of the backends read
            "LISTEN_ADDRESS": "127.0.0.1", "APP_LOGS": str(self.dir / "logs"),
            "TEMPO_DATA": str(self.dir / "tempo"), "LOKI_DATA": str(self.dir / "loki"), "PROMTAIL_DATA": str(self.dir),
            "PROMETHEUS_URL": self.url("PROMETHEUS"), "LOKI_URL": self.url("LOKI"), "TEMPO_URL": self.url("TEMPO"),
            "ALERTMANAGER_URL": self.url("ALERTMANAGER"), "LOKI_RULES": str(STACK / "loki/rules"),
            "ALERT_LOG_ADDRESS": "127.0.0.1",
            "COMPOSE_PROFILES": "promtail" if "promtail" in backends else "alloy",
        }

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}"

    def __enter__(self):
        try:
            for name in self.backends:
                getattr(self, "start_" + name.replace("-", "_"))()
            self.ctl("start")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.ctl("stop", check=False)
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
        for name in [*self.processes]:
            self.wait_for_end(name)

    def stop(self, name):
        """Ends one backend; its start_…() starts it again."""
        self.processes[name].send_signal(signal.SIGTERM)
        self.wait_for_end(name)

    def wait_for_end(self, name):
        process = self.processes.pop(name)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ctl(self, command, check=True):
        with open(self.dir / "ctl.out", "ab") as output:
            done = subprocess.run([ROOT / "stack/native/ctl", command], env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=subprocess.STDOUT, timeout=60, check=False)
        assert not check or done.returncode == 0, (self.dir / "ctl.out").read_text()

    def run(self, *command, **options):
        """A command of the repository, with the ports and directories of this stack."""
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
                              **options)

    # ---- backends

    def start(self, name, *command, ready):
        path = self.dir / f"{name}.log"
        # What tells the programs where spans go would make Tempo trace itself, and count that.
        env = {key: text for key, text in self.env.items() if not key.startswith("OTEL_")}
        with open(path, "ab") as output:
            process = subprocess.Popen(command, env=env, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT)
        self.processes[name] = process
        wait_until(lambda: process.poll() is not None or fetch(ready)[0] == 200,
                   lambda: f"{name} is ready\n{path.read_text()[-2000:]}", 60)
        assert process.poll() is None, f"{name} ended:\n{path.read_text()[-3000:]}"

    def write_prometheus(self):
        """The shipped configuration; only who is scraped is written here, and every second instead of every fifth."""
        shutil.copytree(STACK / "prometheus", self.dir / "prometheus", dirs_exist_ok=True)
        targets = self.run(STACK / "native/containers", "targets").stdout
        entries = re.findall(r"(- labels: {job: (\S+)}\n.*\n)", targets)
        wanted = {*SERVICES, *self.backends}
        (self.dir / "prometheus/targets.yml").write_text("".join(entry for entry, job in entries if job in wanted))
        config = self.dir / "prometheus/prometheus.yml"
        text = config.read_text()
        for name, seconds in (("scrape_interval", 5), ("scrape_timeout", 4), ("evaluation_interval", 5)):
            assert f"{name}: {seconds}s" in text
            text = text.replace(f"{name}: {seconds}s", f"{name}: 1s")
        config.write_text(text)

    def start_prometheus(self):
        self.write_prometheus()
        self.start("prometheus", program("prometheus"), f"--config.file={self.dir}/prometheus/prometheus.yml",
                   f"--storage.tsdb.path={self.dir}/prometheus/data",
                   f"--web.listen-address=127.0.0.1:{self.ports['PROMETHEUS']}", "--web.enable-remote-write-receiver",
                   "--enable-feature=exemplar-storage", ready=self.url("PROMETHEUS") + "/-/ready")

    def start_expanded(self, name, ready="/ready"):
        self.start(name, program(name), f"-config.file={STACK}/{name}/{name}.yaml", "-config.expand-env=true",
                   ready=self.url(name.upper()) + ready)

    def start_tempo(self):
        self.start_expanded("tempo")

    def start_loki(self):
        self.start_expanded("loki")

    def start_alloy(self):
        self.start("alloy", program("alloy"), "run", "--disable-reporting", f"--storage.path={self.dir}/alloy",
                   f"--server.http.listen-addr=127.0.0.1:{self.ports['ALLOY']}", STACK / "alloy/config.alloy",
                   ready=self.url("ALLOY") + "/-/ready")

    def start_promtail(self):
        self.start_expanded("promtail", ready="/metrics")  # /ready waits for the first log file

    def start_alertmanager(self):
        """The shipped configuration; what is told to whom is at once, but the heartbeat."""
        text = (STACK / "alertmanager/alertmanager.yml").read_text()
        for shipped, here in (("http://alert-log:9099/", self.url("ALERT_LOG") + "/"),
                              ("group_interval: 10s", "group_interval: 1s")):
            assert shipped in text
            text = text.replace(shipped, here)
        (self.dir / "alertmanager.yml").write_text(text)
        self.start("alertmanager", program("alertmanager", "prometheus-alertmanager"),
                   f"--config.file={self.dir}/alertmanager.yml",
                   f"--storage.path={self.dir}/alertmanager", "--cluster.listen-address=",
                   f"--web.listen-address=127.0.0.1:{self.ports['ALERTMANAGER']}",
                   ready=self.url("ALERTMANAGER") + "/-/ready")

    def start_alert_log(self):
        for directory in ("alert-log", "logs"):
            (self.dir / directory).mkdir(exist_ok=True)
        self.start("alert-log", "env", f"RUN_DIR={self.dir}/alert-log", STACK / "alertmanager/alert-log",
                   ready=self.url("ALERT_LOG") + "/healthz")

    def start_node_exporter(self):
        self.start("node-exporter", program("node_exporter", "prometheus-node-exporter"),
                   f"--web.listen-address=127.0.0.1:{self.ports['NODE_EXPORTER']}",
                   ready=self.url("NODE_EXPORTER") + "/metrics")

    # ---- what tests ask

    def promql(self, expression, **parameters):
        """The result of an instant query: [{"metric": …, "value": [time, text]}, …]."""
        answer = answer_of(self.url("PROMETHEUS") + "/api/v1/query", query=expression, **parameters)
        assert answer, f"Prometheus refuses {expression}"
        return answer["data"]["result"]

    def trace(self, trace_id):
        """[(service, span)] of a trace in Tempo."""
        answer = answer_of(f"{self.url('TEMPO')}/api/v2/traces/{trace_id}") or {}
        found = []
        for resource in answer.get("trace", {}).get("resourceSpans", []):
            service = next(a["value"]["stringValue"] for a in resource["resource"]["attributes"]
                           if a["key"] == "service.name")
            found += [(service, span) for scope in resource["scopeSpans"] for span in scope["spans"]]
        return found

    def lines(self, logql):
        """[(labels, line)] of the last minutes in Loki."""
        answer = answer_of(self.url("LOKI") + "/loki/api/v1/query_range", query=logql, limit=1000,
                           start=time.time_ns() - 900 * 10**9)
        assert answer, f"Loki refuses {logql}"
        return [(stream.get("stream") or stream["metric"], value[1]) for stream in answer["data"]["result"]
                for value in stream["values"]]

    def order(self, user_id=1):
        """Places an order through the gateway: (its trace id, the order)."""
        body = {"user_id": user_id, "product": "测试商品", "amount": 99.99}
        status, headers, text = fetch(self.url("GATEWAY") + "/api/v1/orders", body)
        assert status == 201, text
        return headers["X-Trace-Id"], json.loads(text)
