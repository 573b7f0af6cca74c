// SPDX-License-Identifier: MIT
// One trace: waits for it, shows it while it grows, and the log lines that belong to it.
import {fail, h, table} from "./dom.js";
import {count, duration, time} from "./format.js";
import {grafanaLink} from "./grafana.js";
import {logLines} from "./logs.js";
import {readTrace} from "./spans.js";
import * as tempo from "./tempo.js";
import {legend, waterfall} from "./waterfall.js";

const POLL_MS = 500;
const PATIENCE_MS = 15000; // for a trace that is not there; spans are sent once a second
const SETTLED_MS = 4000; // no span came that long
const OLD_MS = 60000; // such a trace has come to rest
const COLUMNS = ["ts", "time", "level", "service", "msg", "trace_id", "trace_flags"]; // of a log line, said elsewhere
const REQUEST = ["method", "path", "query", "status", "duration_ms", "reason"]; // what is shown of a request, unopened

function logTable(found) {
	if (!found.length)
		return h("p", {class: "empty"}, "No line in logs/ has this trace's id. The files may have been rotated since.");
	const fields = (line, wanted) => Object.entries(line).filter(([key, value]) => wanted(key) && value !== "")
		.map(([key, value]) => h("span", {class: "field"}, h("span", {class: "muted"}, `${key}=`), `${value} `));
	const rest = (key) => !COLUMNS.includes(key);
	const short = (line) => (line.method ? (key) => REQUEST.includes(key) : (key) => rest(key) && key !== "span_id");
	const message = (line) => h("details", {},
		h("summary", {}, h("strong", {}, line.msg), " ", fields(line, short(line))), fields(line, rest));
	const row = (line) => h("tr", {"data-level": line.level, "data-log-service": line.service},
		h("td", {}, time(line.time)),
		h("td", {}, h("span", {class: `level ${line.level}`}, line.level)),
		h("td", {}, line.service),
		h("td", {class: "message"}, message(line)));
	return table({id: "log-lines", class: "log"}, "Log lines", ["Time", "Level", "Service", "Message"],
		h("tbody", {}, found.map(row)));
}

function incomplete(trace) {
	const number = (kind) => trace.spans.filter((span) => span[kind]).length;
	const orphans = number("orphan"), circles = number("circle");
	return [orphans && `Some spans are missing: the parent of ${count(orphans, "span")} is not in the store.`,
		circles && `The parents of ${count(circles, "span")} run in a circle.`,
		!orphans && !circles && "It has more than one root."].filter(Boolean).join(" ");
}

function head(trace, growing) {
	const root = trace.spans[0];
	return [
		h("h2", {id: "trace-title"}, h("span", {class: "muted"}, root.service), " ", root.name),
		h("p", {class: "facts", id: "trace-facts"},
			h("span", {"data-fact": "duration"}, duration(trace.ms)),
			h("span", {"data-fact": "spans"}, count(trace.spans.length, "span")),
			h("span", {"data-fact": "services"}, count(trace.services.length, "service")),
			h("span", {"data-fact": "errors", class: trace.failed ? "error-mark" : ""},
				trace.failed ? `✗ ${count(trace.failed, "error")}` : "no errors"),
			time(Number(trace.start / 1000n) / 1000, {date: true})),
		h("p", {class: "muted", id: "trace-state", role: "status"}, growing
			? trace.whole ? "Complete so far; looking for later spans …" : "More spans are on their way …"
			: trace.message || (trace.whole ? "Complete." : incomplete(trace))),
	];
}

// Fills `main`; returns what ends it.
export function open(main, id) {
	const opened = new Set();
	let timer = 0, ended = false, shown = 0, lines = -1, wasGrowing, changedAt = Date.now();
	const began = Date.now();
	const view = {head: h("header", {id: "trace-head"}), spans: h("div"), logs: h("section", {id: "trace-logs"})};
	const links = h("p", {class: "links"}, h("code", {class: "id", id: "trace-id"}, id));
	main.replaceChildren(h("article", {id: "trace", "data-trace-id": id}, view.head, links, view.spans, view.logs));
	grafanaLink(id).then((link) => link && links.append(" ", link));

	async function showLogs(trace) {
		const [from, until] = [trace.start, trace.end].map((ns) => Number(ns / 1000000n));
		try {
			const found = await logLines(trace.services, id, from, until);
			// else those of more spans are there, or on their way
			if (ended || trace.spans.length !== shown || found.length === lines)
				return;
			lines = found.length;
			view.logs.replaceChildren(h("h3", {}, "Log lines of this trace"), logTable(found));
		} catch (error) {
			lines = -1;
			fail(view.logs, error);
		}
	}

	function waiting() {
		const late = Date.now() - began > PATIENCE_MS;
		const text = late
			? "There is no such trace. It may be older than what the store keeps (an hour), not sampled "
				+ "(TRACE_SAMPLE_PERCENT), or its spans go elsewhere. Still looking …"
			: "Waiting for the spans of this trace, which come a second or two after the answer …";
		if (view.head.lastChild?.textContent !== text)
			view.head.replaceChildren(h("h2", {id: "trace-title"}, "Trace"),
				h("p", {id: "trace-state", role: "status", class: "waiting"}, text));
		return late ? 5 * POLL_MS : POLL_MS;
	}

	// Returns in how many ms to look again; 0: never.
	function show(trace) {
		const now = Date.now(), changed = trace.spans.length !== shown;
		if (changed)
			[shown, changedAt] = [trace.spans.length, now];
		const growing = now - changedAt < SETTLED_MS && now - Number(trace.end / 1000000n) < OLD_MS;
		if (changed || growing !== wasGrowing)
			view.head.replaceChildren(...head(trace, growing));
		const settled = wasGrowing && !growing;
		wasGrowing = growing;
		if (settled) // a line may be written later than the spans were sent
			showLogs(trace);
		if (changed) {
			const focused = view.spans.contains(document.activeElement) && document.activeElement.dataset.span;
			view.spans.replaceChildren(legend(trace), waterfall(trace, opened));
			if (focused)
				view.spans.querySelector(`[data-span="${focused}"]`)?.focus();
			showLogs(trace);
		}
		return growing ? POLL_MS : 0;
	}

	async function look() {
		let next;
		try {
			const answer = await tempo.trace(id);
			if (ended)
				return;
			const trace = answer && readTrace(answer);
			next = trace ? show(trace) : waiting();
		} catch (error) {
			if (ended)
				return;
			fail(view.head, error);
			next = 10 * POLL_MS;
		}
		if (next)
			timer = setTimeout(look, next);
	}
	waiting();
	look();
	return () => {
		ended = true;
		clearTimeout(timer);
	};
}
