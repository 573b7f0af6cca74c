# SPDX-License-Identifier: MIT
"""Reads one path again and again until its standard input ends, then prints [[status, seconds], …] as JSON.

A process of its own: beside hundreds of clients in one Python it would measure how they wait for each other.
"""
import http.client
import json
import sys
import threading
import time

PAUSE = 0.01


def read(connection, path):
    start = time.monotonic()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        status = response.status
    except (OSError, http.client.HTTPException):
        connection.close()
        status = 0
    return status, time.monotonic() - start


def main(port, path):
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    results = []
    while not stop.wait(PAUSE):
        results.append(read(connection, path))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
