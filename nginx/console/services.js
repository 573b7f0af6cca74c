// SPDX-License-Identifier: MIT
// Every service's requests, errors and duration, live from its /metrics.
import {chart, SPAN_MS} from "./chart.js";
import {fail, h, repeat, say} from "./dom.js";
import {colour, duration, number} from "./format.js";
import {ask, settings} from "./http.js";
import {difference, readScrape} from "./metrics.js";

const POLL_MS = 3000;
const WINDOW_MS = 15000; // of a rate

// service.name: {requests, refused, failed (a second), p95 (ms or null)}, or null when it does not answer. For the map.
export const latest = new Map();
export const byPort = new Map(); // service.name, by the service's own port as text

function card({name, port}) {
	const title = h("span", {class: "service"}, name), state = h("span", {class: "state muted", role: "status"}, "…");
	const cell = (key, label, lines, unit) => {
		const value = h("strong", {"data-metric": key}, "–");
		const [graph, update] = chart(lines, unit);
		return {element: h("td", {"data-label": label}, value, graph), value, update};
	};
	const requests = cell("requests", "Requests", [""], "/s");
	const errors = cell("errors", "Errors", ["refused", "failed"], "/s");
	const p95 = cell("p95", "Duration, p95", [""], "ms");
	const element = h("tr", {"data-program": name}, h("th", {scope: "row"}, title, state),
		requests.element, errors.element, p95.element);
	let scrapes = [], points = [];

	function add(last) {
		const now = last.time;
		points = [...points, last].filter((one) => now - one.time <= SPAN_MS);
		const line = (key) => points.map((point) => ({time: point.time, value: point[key]}));
		const rate = (value) => (value === null ? "–" : `${number(value)}/s`);
		requests.value.textContent = rate(last.requests);
		errors.value.textContent = `5xx ${rate(last.failed)}, 4xx ${rate(last.refused)}`;
		errors.value.classList.toggle("error-mark", last.failed > 0);
		p95.value.textContent = last.p95 === null ? "–" : duration(last.p95);
		const said = (one) => `${one.element.dataset.label} of the last five minutes; now ${one.value.textContent}`;
		requests.update([line("requests")], now, said(requests));
		errors.update([line("refused"), line("failed")], now, said(errors));
		p95.update([line("p95")], now, said(p95));
	}

	async function poll() {
		const now = Date.now();
		let scrape;
		try {
			const response = await ask(`metrics/${name}`, {signal: AbortSignal.timeout(POLL_MS)});
			scrape = response.ok && readScrape(await response.text(), now);
		} catch {
			scrape = null;
		}
		const service = scrape?.service || scrapes.at(-1)?.service || name;
		element.dataset.up = Boolean(scrape);
		say(state, scrape ? "up" : "does not answer: make status");
		state.classList.toggle("error-mark", !scrape);
		if (!scrape) {
			latest.set(service, null);
			add({time: now, requests: null, refused: null, failed: null, p95: null});
			return;
		}
		title.textContent = service;
		title.classList.add(colour(service));
		element.dataset.service = service;
		byPort.set(String(port), service);
		if (service !== name)
			latest.delete(name); // it was away when its name was not known yet
		scrapes = [...scrapes, scrape].filter((one) => scrape.time - one.time <= WINDOW_MS);
		const point = difference(scrapes[0], scrape);
		if (!point) { // the first one, or of a new process
			scrapes = [scrape];
			return;
		}
		latest.set(service, point);
		add(point);
	}
	return {element, poll};
}

export function services() {
	const body = h("tbody", {id: "services"}), state = h("div");
	const section = h("section", {class: "card", "aria-labelledby": "services-title"},
		h("h2", {id: "services-title"}, "Services"),
		h("table", {class: "services"}, h("thead", {}, h("tr", {},
			h("th", {scope: "col"}, "Service"), h("th", {scope: "col"}, "Requests"),
			h("th", {scope: "col"}, "Errors ", h("span", {class: "muted"}, "(4xx dashed)")),
			h("th", {scope: "col"}, "Duration, p95"))), body), state,
		h("p", {class: "muted"}, "The last five minutes, from each service's own /metrics; every value is over 15 s."));
	settings().then(({services: list}) => {
		const cards = list.map(card);
		body.replaceChildren(...cards.map((one) => one.element));
		for (const one of cards)
			repeat(POLL_MS, one.poll); // each by itself: one that hangs keeps no other waiting
	}).catch((error) => fail(state, error));
	return section;
}
