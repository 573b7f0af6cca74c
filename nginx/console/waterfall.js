// SPDX-License-Identifier: MIT
// The spans of a trace as a table of bars. A row opens to what the span says of itself.
import {h} from "./dom.js";
import {chip, colour, duration, time} from "./format.js";

const TICKS = [0, 0.25, 0.5, 0.75, 1];

function pairs(title, list) {
	return list.length > 0 && h("section", {},
		title && h("h4", {}, title),
		h("dl", {class: "pairs"}, list.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, value)))));
}

function events(span) {
	return span.events.length > 0 && h("section", {},
		h("h4", {}, "Events"),
		span.events.map((event) => h("div", {class: "event"},
			h("strong", {}, event.name), ` ${duration(Number(event.time - span.start) / 1e6)} after the span's start`,
			pairs("", event.attributes))));
}

function links(span) {
	return span.links.length > 0 && h("section", {},
		h("h4", {}, "Links"),
		h("ul", {}, span.links.map((link) => h("li", {},
			h("a", {href: `#/trace/${link.traceId}`, class: "id", "data-link": link.traceId}, `trace ${link.traceId}`),
			pairs("", link.attributes)))));
}

function details(span) {
	const facts = [
		["kind", span.kind || "UNSPECIFIED"],
		["status", span.failed ? `error${span.statusMessage && `: ${span.statusMessage}`}` : "not an error"],
		["start", time(Number(span.start / 1000n) / 1000)],
		["duration", duration(span.ms)],
		["span id", span.id],
		["parent", span.parent ? `${span.parent}${span.orphan ? " (not in this trace)" : ""}` : "none: the root"],
	];
	return h("div", {class: "details"},
		pairs("Span", facts), pairs("Attributes", span.attributes), events(span), links(span),
		pairs("Resource", [...Object.entries(span.resource), ["scope", span.scope]]));
}

function bar(span, total) {
	const left = (span.offset / total) * 100, width = (span.ms / total) * 100;
	return h("div", {class: `bar ${colour(span.service)}`, style: {"--left": `${left}%`, "--width": `${width}%`}});
}

function row(span, total, open, toggle) {
	const id = `span-${span.key}`;
	const marks = [span.orphan && "parent not in this trace", span.circle && "its parents run in a circle",
		span.twin && "its id is another span's too"].filter(Boolean);
	const label = h("button", {type: "button", class: "span", "data-span": span.key,
		"aria-expanded": String(open), "aria-controls": id},
	h("span", {class: `service ${colour(span.service)}`}, span.service),
	h("span", {class: "name"}, [span.kind, span.name].filter(Boolean).join(" ")),
	span.failed && h("span", {class: "error-mark"}, `✗ error${span.why && ` ${span.why}`}`),
	marks.length > 0 && [" ", h("span", {class: "muted", "data-shape": ""}, marks.join(", "))]);
	return [
		h("tr", {role: "row", class: span.failed ? "span-row failed" : "span-row", "data-span-id": span.id,
			"data-service": span.service, "data-failed": span.failed, "data-depth": span.depth,
			onclick: () => toggle(span)},
		h("th", {role: "rowheader", scope: "row", style: {"--depth": Math.min(span.depth, 12)}},
			h("span", {class: "unseen"}, `level ${span.depth + 1}: `), label),
		h("td", {role: "cell", class: "track"}, bar(span, total)),
		h("td", {role: "cell", class: "number"}, duration(span.ms))),
		h("tr", {role: "row", id, class: "details-row", hidden: !open},
			h("td", {role: "cell", colspan: 3}, open && details(span))),
	];
}

// Arrow keys go from span to span, beside Tab.
function move(event) {
	const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
	const buttons = [...event.currentTarget.querySelectorAll("button.span")];
	const at = buttons.indexOf(document.activeElement);
	if (!step || at < 0)
		return;
	event.preventDefault();
	buttons[at + step]?.focus();
}

// `opened`: ids of the open rows, kept by the caller, so that a trace that grows stays as the reader has it.
export function waterfall(trace, opened) {
	const total = Math.max(trace.ms, 0.001);
	const body = h("tbody", {role: "rowgroup"});
	const rowsOf = (span) => row(span, total, opened.has(span.key), toggle);
	const fill = () => body.replaceChildren(...trace.spans.flatMap(rowsOf));
	const toggle = (span) => {
		if (!opened.delete(span.key))
			opened.add(span.key);
		fill();
		body.querySelector(`[data-span="${span.key}"]`).focus();
	};
	fill();
	const ticks = h("div", {class: "ticks"}, TICKS.map((part) => h("span", {style: {"--left": `${part * 100}%`}},
		duration(part * trace.ms))));
	return h("table", {role: "table", id: "waterfall", "aria-label": "Spans of the trace", onkeydown: move},
		h("thead", {role: "rowgroup"}, h("tr", {role: "row"},
			h("th", {role: "columnheader", scope: "col"}, "Service and span"),
			h("th", {role: "columnheader", scope: "col", class: "track", "aria-label": "Time"}, ticks),
			h("th", {role: "columnheader", scope: "col", class: "number"}, "Duration"))),
		body);
}

export const legend = (trace) => h("p", {class: "legend"}, trace.services.map((service) => chip(service,
	` ${trace.spans.filter((span) => span.service === service).length}`)));
