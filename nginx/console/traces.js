// SPDX-License-Identifier: MIT
// Recent traces, by filters that stand in the page's address.
import {fail, h, repeat, table} from "./dom.js";
import {chip, count, duration, mark, time} from "./format.js";
import {grafanaLink} from "./grafana.js";
import * as tempo from "./tempo.js";

const REFRESH_MS = 3000;

function row(trace) {
	return h("tr", {"data-trace-id": trace.id, "data-errors": trace.errors, class: trace.errors ? "failed" : ""},
		h("td", {}, time(trace.start, {fraction: 0})),
		h("td", {class: "wide"}, h("a", {href: `#/trace/${trace.id}`},
			h("span", {class: "muted"}, trace.service), " ", trace.name || "(no name)")),
		h("td", {}, mark(!trace.errors, trace.errors ? count(trace.errors, "error") : "")),
		h("td", {class: "number"}, trace.ms >= 1000 ? duration(trace.ms) : trace.ms ? `${trace.ms} ms` : "< 1 ms"),
		h("td", {class: "number"}, count(trace.spans, "span")),
		h("td", {class: "chips"}, trace.services.map(([name, spans]) => chip(name, ` ${spans}`))));
}

function select(id, label, value) {
	const element = h("select", {id, name: id.replace("filter-", "")}, h("option", {value: ""}, "any"));
	offer(element, [value], value);
	return h("label", {}, label, element);
}

// What is chosen stays, and what has the focus.
function offer(element, values, chosen = element.value) {
	const known = [...new Set([...values, chosen].filter(Boolean))].sort();
	element.replaceChildren(element.options[0], ...known.map((one) => h("option", {value: one}, one)));
	element.value = chosen;
}

// The filters as the address has them: #/traces?service=…&route=…&errors=1&slower=20
function form(filters) {
	const change = (event) => {
		const data = new FormData(event.currentTarget);
		const parameters = new URLSearchParams([...data].filter(([, value]) => value !== ""));
		location.hash = `#/traces${parameters.size ? `?${parameters}` : ""}`;
	};
	return h("form", {id: "filters", class: "controls", role: "search", onchange: change,
		onsubmit: (event) => event.preventDefault()},
	select("filter-service", "Service", filters.service),
	select("filter-route", "Route", filters.route),
	h("label", {}, "Slower than, ms", h("input", {id: "filter-slower", name: "slower", type: "number", min: 0,
		step: "any", inputmode: "decimal", placeholder: "0", value: filters.slower || ""})),
	h("label", {class: "check"}, h("input", {id: "filter-errors", name: "errors", type: "checkbox", value: 1,
		checked: filters.errors}), "Errors only"));
}

export function open(main, parameters) {
	const filters = {service: parameters.get("service") ?? "", route: parameters.get("route") ?? "",
		errors: parameters.has("errors"), slower: Number(parameters.get("slower")) || 0};
	const query = tempo.query(filters);
	const filterBox = form(filters);
	const focused = main.contains(document.activeElement) && document.activeElement.id; // the filter that was changed
	const body = h("tbody", {id: "traces"});
	const state = h("div", {id: "traces-state", "aria-live": "polite"});
	const refresh = h("input", {id: "auto-refresh", type: "checkbox", checked: true});
	const links = h("p", {class: "links"}, h("code", {id: "traceql", title: "TraceQL"}, query), " ",
		h("label", {class: "check"}, refresh, "Refresh every 3 s"));
	const list = table({class: "list"}, "Traces", ["Time", "Trace", "Errors", "Duration", "Spans", "Services"], body);
	list.hidden = true;
	main.replaceChildren(h("section", {class: "card", "aria-labelledby": "traces-title"},
		h("h2", {id: "traces-title"}, "Recent traces"), filterBox, links, state, list));
	if (focused)
		document.getElementById(focused)?.focus();
	grafanaLink(query).then((link) => link && links.append(" ", link));

	Promise.all([tempo.values("resource.service.name"), tempo.values("rootName")]).then(([services, routes]) => {
		offer(filterBox.querySelector("#filter-service"), services);
		offer(filterBox.querySelector("#filter-route"), routes);
	}).catch(() => {}); // the search says what is wrong

	let shown = "";
	function show(traces) {
		const text = JSON.stringify(traces);
		if (text === shown)
			return;
		shown = text;
		const focused = body.contains(document.activeElement) && document.activeElement.getAttribute("href");
		body.replaceChildren(...traces.map(row));
		if (focused)
			body.querySelector(`a[href="${focused}"]`)?.focus();
		list.hidden = !traces.length;
		state.replaceChildren(...(traces.length ? [] : [h("p", {class: "empty"}, query === "{ }"
			? "There are no traces yet: place an order on the first page."
			: "No trace of the last hour matches. Take a filter away.")]));
	}
	return repeat(REFRESH_MS, async () => {
		if (shown && !refresh.checked)
			return;
		try {
			show(await tempo.search(query, {limit: 50}));
		} catch (error) {
			shown = "";
			fail(state, error);
		}
	});
}
