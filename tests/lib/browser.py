# SPDX-License-Identifier: MIT
"""Chromium, driven as its user would, and listened to: what it asks for, and what it complains of."""
import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from lib.wait import wait_until

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.keys import Keys
except ImportError:
    pytest.skip("python3-selenium is not installed", allow_module_level=True)

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
JUDGES = (Path(__file__).parent / "judge.js").read_text(encoding="utf-8")


for program, package in ((CHROMIUM, "chromium"), (DRIVER, "chromium-driver")):
    if not shutil.which(program):
        pytest.skip(f"{package} is not installed", allow_module_level=True)


class Guarded(Service):
    """Ends with the tests, however they end; the browser does when the pipe to it is closed."""

    def command_line_args(self):
        return ["--pdeathsig", "KILL", DRIVER, *super().command_line_args()]


class Browser:
    def __init__(self, directory, port):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.ignore_local_proxy_environment_variables()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--remote-debugging-pipe",
                         "--no-proxy-server", "--window-size=1280,1000", f"--user-data-dir={directory}/profile",
                         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", "--lang=en"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.origin = f"http://localhost:{port}"
        self.driver = webdriver.Chrome(service=Guarded("/usr/bin/setpriv", log_path=f"{directory}/driver.log"),
                                       options=options)
        self.driver.set_script_timeout(30)
        self.asked = []
        self.driver.get("about:blank")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.driver.quit()

    @contextmanager
    def judged(self):
        """Whatever is done in such a block: no script fails, the page's policy is not violated, and nothing is asked of
        anybody but the page's server."""
        self.driver.get("about:blank")
        self.requests()
        self.complaints()
        self.asked = []
        yield
        foreign = [url for url in self.requests() if not url.startswith(f"{self.origin}/")]
        assert self.asked and not foreign, foreign or "the browser does not tell of its requests"
        complaints = self.complaints()
        assert not complaints, complaints

    # ---- what a user does

    def open(self, address="#/"):
        """The page anew, with nothing of the last one."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.origin}/{address}")

    def click(self, css):
        """Once it is there and nothing covers it; the page may just be replacing it."""
        said = []

        def clicked():
            try:
                self.driver.find_element("css selector", css).click()
                return True
            except WebDriverException as error:
                said[:] = [error.msg]
                return False
        wait_until(clicked, lambda: f"{css} cannot be clicked: {said[0]}", interval=0.05)

    def use(self, css):
        """A click on what the page may replace at any moment; with the mouse it could go into nothing."""
        wait_until(lambda: self.js("""const one = document.querySelector(arguments[0]);
            one?.click();
            one?.focus();
            return Boolean(one)""", css), lambda: f"no {css} on the page:\n{self.text()}", interval=0.05)

    def type(self, css, text):
        """Over what is there."""
        self.driver.find_element("css selector", css).send_keys(Keys.CONTROL + "a", Keys.NULL, text)

    def press(self, *keys):
        """Keys to what has the focus."""
        webdriver.ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    # ---- what a user sees

    def js(self, script, *arguments):
        """The value of a script, awaited when it is a promise."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, css):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", css)

    def wait(self, css, seconds=30):
        """The text of the first such element, once there is one."""
        return wait_until(lambda: self.texts(css), lambda: f"no {css} on the page:\n{self.text()}", seconds, 0.05)[0]

    def text(self):
        return self.js("return document.body.innerText")

    def emulate(self, dark=False, width=None):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        if width:
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": 740, "deviceScaleFactor": 1, "mobile": False})
        else:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def judge(self, name, *arguments):
        """Runs a function of judge.js in the page."""
        return self.js(f"{JUDGES}\nreturn {name}(...arguments)", *arguments)

    # ---- what it did unseen

    def requests(self):
        """The URLs that were asked for in this block, in order."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        self.asked += [event["params"].get("request", event["params"])["url"] for event in events
                       if event["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")]
        return self.asked

    def complaints(self):
        """Of its console: errors of scripts, violations of the policy. That the API refused something, that a service
        is away, or that a trace or a log is not there (yet), is none."""
        answered = re.compile(rf"{self.origin}/(api|metrics|logs|tempo/api/traces)/\S* - "
                              "Failed to load resource: the server responded with a status of ")
        messages = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in messages if not answered.match(message)]


__all__ = ["Browser", "Keys"]
