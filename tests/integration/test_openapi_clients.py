# SPDX-License-Identifier: MIT
"""Clients that openapi-generator makes of the description compile, and place an order.

    OPENAPI_GENERATOR_JAR=openapi-generator-cli.jar /usr/bin/python3 -m pytest tests/integration/test_openapi_clients.py

The jar is org.openapitools:openapi-generator-cli of Maven Central. The libraries that the clients need are fetched by
pip, mvn and npm.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lib.client import email
from lib.openapi import FILE

PROGRAMS = Path(__file__).parent / "clients"
JAR = os.environ.get("OPENAPI_GENERATOR_JAR")


def run(*command, cwd, **environment):
    done = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def go(client):
    (client / "cmd").mkdir()
    shutil.copy(PROGRAMS / "main.go", client / "cmd")
    run("go", "build", "./...", cwd=client)
    run("go", "build", "-o", "place_order", "./cmd", cwd=client)
    return ["./place_order"]


def python(client):
    shutil.copy(PROGRAMS / "place_order.py", client)
    run("/usr/bin/python3", "-m", "venv", "venv", cwd=client)
    run("venv/bin/pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt", cwd=client)
    run("venv/bin/python", "-m", "compileall", "-q", "openapi_client", cwd=client)
    return ["venv/bin/python", "place_order.py"]


def java(client):
    shutil.copy(PROGRAMS / "PlaceOrder.java", client / "src/main/java")
    run("mvn", "-q", "-B", "compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath", cwd=client)
    return ["java", "-cp", "target/classes:" + (client / "classpath").read_text().strip(), "PlaceOrder"]


def typescript(client):
    shutil.copy(PROGRAMS / "place_order.ts", client)
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "typescript@5", cwd=client)
    run("node_modules/.bin/tsc", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module",
        "commonjs", "--outDir", "made", "place_order.ts", "index.ts", cwd=client)
    return ["node", "made/place_order.js"]


# language: (generator, options, what it takes, how the program is made)
CLIENTS = {
    "go": ("go", [], ["go"], go),
    "python": ("python", [], ["/usr/bin/python3"], python),
    "java": ("java", ["--library", "native"], ["mvn"], java),
    "typescript": ("typescript-fetch", [], ["node", "npm"], typescript),
}


@pytest.mark.skipif(not JAR, reason="OPENAPI_GENERATOR_JAR does not say where openapi-generator-cli.jar is")
@pytest.mark.parametrize("language", CLIENTS)
def test_a_generated_client_places_an_order(system, tmp_path, language):
    generator, options, tools, make = CLIENTS[language]
    for tool in ["java", *tools]:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    client = tmp_path / "client"
    run("java", "-jar", JAR, "generate", "-g", generator, "-i", str(FILE), "-o", str(client), *options, cwd=tmp_path)
    command = make(client)
    printed = run(*command, f"http://127.0.0.1:{system.ports['gateway']}", email(), cwd=client)
    order = system.gateway.get(f"/api/v1/orders/{int(printed)}").json()
    assert (order["status"], order["product"], order["amount"]) == ("cancelled", "测试商品", 123456.78)
