# SPDX-License-Identifier: MIT
"""The console's page in a browser: its buttons and tables by name, and waiting for what they will show."""
import json

from lib.browser import Browser
from lib.wait import wait_until


class Console(Browser):
    def until(self, condition, what, seconds=30):
        return wait_until(condition, lambda: f"{what}; the page is\n{self.text()}", seconds, 0.05)

    @property
    def address(self):
        return self.driver.current_url.removeprefix(self.origin)

    # ---- the first page

    def answer(self, number):
        """(status, trace id, what it says) of the n-th request that the page sent, once it is answered."""
        row = f'tr[data-answer="{number}"]'
        self.wait(row)
        return self.js("""const row = document.querySelector(arguments[0]);
            return [Number(row.dataset.status), row.querySelector("a")?.dataset.traceLink, row.textContent]""", row)

    def place_order(self, number=1):
        self.click("#place-order")
        return self.answer(number)

    # ---- recent traces

    def traces(self):
        return self.js("return [...document.querySelectorAll('#traces tr')].map((row) => row.dataset.traceId)")

    def wait_traces(self, condition, what):
        """`condition` of the traces' ids."""
        self.until(lambda: condition(self.traces()), what)

    def choose(self, css, value):
        """In a list of the filters, once it is offered; until the page is the one with that filter."""
        self.until(lambda: value in self.js("""return [...document.querySelectorAll(arguments[0] + " option")]
            .map((one) => one.value)""", css), f"{css} does not offer {value}")
        self.js("""const list = document.querySelector(arguments[0]);
            list.value = arguments[1];
            list.dispatchEvent(new Event("change", {bubbles: true}))""", css, value)
        self.until(lambda: not value or json.dumps(value, ensure_ascii=False) in self.texts("#traceql")[0],
                   f"{css} does not become {value}")

    def open_trace(self, trace_id):
        self.use(f'tr[data-trace-id="{trace_id}"] a')

    # ---- one trace

    def spans(self):
        """[depth, service, kind and name] of each."""
        return self.js("""return [...document.querySelectorAll("tr[data-span-id]")].map((row) =>
            [Number(row.dataset.depth), row.dataset.service, row.querySelector(".name").textContent])""")

    def failed_spans(self):
        """[service, kind and name, mark]."""
        return self.js("""return [...document.querySelectorAll("tr[data-failed]")].map((row) =>
            [row.dataset.service, ...[".name", ".error-mark"].map((css) => row.querySelector(css).textContent)])""")

    def bars(self):
        """[depth, left, right] of each span's bar, in pixels."""
        return self.js("""return [...document.querySelectorAll("tr[data-span-id]")].map((row) => {
            const {left, right} = row.querySelector(".bar").getBoundingClientRect();
            return [Number(row.dataset.depth), left, right];
        })""")

    def services_of_log_lines(self):
        return self.js("""return [...document.querySelectorAll("#log-lines tbody tr")]
            .map((row) => row.dataset.logService)""")

    # ---- live

    def moving(self, metric):
        """The services that have a value above 0, and a line in its chart."""
        return sorted(self.js("""return [...document.querySelectorAll("#services tr[data-service]")].filter((row) =>
            parseFloat(row.querySelector(`[data-metric=${arguments[0]}]`).textContent) > 0
            && [...row.querySelectorAll("path.line")].some((path) => path.getAttribute("d")))
            .map((row) => row.dataset.service)""", metric))

    def calls(self):
        """(caller, called) of the service map's edges that have a rate."""
        edges = self.js("""return [...document.querySelectorAll("#service-map .edge")].map((edge) =>
            [edge.dataset.from, edge.dataset.to, parseFloat(edge.querySelector("text").textContent)])""")
        return {(caller, called) for caller, called, rate in edges if rate > 0}

    # ---- safety

    def check_inert(self):
        """Nothing of what others wrote became an element, or an attribute that acts."""
        assert self.js("""return [...document.querySelectorAll("img, iframe, object, main script, main style, svg svg")]
            .map((one) => one.outerHTML)""") == []
        assert self.js("""return [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes])
            .filter(({name, value}) => name.startsWith("on") || /^\\s*javascript:/i.test(value) && name !== "value"
                && !name.startsWith("data-")).map(({name, value}) => `${name}=${value}`)""") == []
