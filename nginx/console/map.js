// SPDX-License-Identifier: MIT
// The service map: who calls whom, from the spans of the newest traces.
import {fail, h, repeat, svg} from "./dom.js";
import {colour, duration, number} from "./format.js";
import {byPort, latest} from "./services.js";
import {readTrace} from "./spans.js";
import * as tempo from "./tempo.js";

const REFRESH_MS = 4000, TRACES = 30, WINDOW_S = 300;
const WIDTH = 480, ROW = 118, BOX = {width: 138, height: 46};

const known = new Map(); // trace id: the calls of a trace that had come to rest

// [{from, to, failed, ms}]: where a span's child is another service's, or nobody took the call.
function calls(trace) {
	return trace.spans.flatMap((span) => {
		const called = span.children.filter((child) => child.service !== span.service);
		const port = new Map(span.attributes).get("server.port");
		const refused = span.kind === "CLIENT" && !called.length && byPort.get(port);
		return [...called, ...(refused ? [{service: refused}] : [])]
			.map(({service, failed}) => ({from: span.service, to: service, failed: span.failed || failed, ms: span.ms}));
	});
}

async function callsOf({id, start}) {
	if (known.has(id))
		return known.get(id);
	const answer = await tempo.trace(id);
	const trace = answer && readTrace(answer);
	const found = trace ? {services: trace.services, calls: calls(trace)} : {services: [], calls: []};
	if (Date.now() - start > 5000)
		known.set(id, found);
	return found;
}

async function edges() {
	const traces = await tempo.search("{ }", {limit: TRACES, seconds: WINDOW_S});
	for (const id of known.keys())
		if (!traces.some((trace) => trace.id === id))
			known.delete(id);
	const all = await Promise.all(traces.map(callsOf));
	// Of more traces than were asked for the newest came: they stand for the time since the oldest of them.
	const seconds = traces.length < TRACES ? WINDOW_S : Math.max((Date.now() - traces.at(-1).start) / 1000, 1);
	const found = new Map();
	for (const call of all.flatMap((one) => one.calls)) {
		const edge = found.get(`${call.from} ${call.to}`) ?? {from: call.from, to: call.to, count: 0, failed: 0, ms: 0};
		edge.count++;
		edge.failed += Boolean(call.failed);
		edge.ms += call.ms;
		found.set(`${call.from} ${call.to}`, edge);
	}
	const ends = [...found.values()].flatMap(({from, to}) => [from, to]);
	const services = new Set([...latest.keys(), ...all.flatMap((one) => one.services), ...ends]);
	for (const edge of found.values())
		edge.perMinute = (edge.count / seconds) * 60;
	return {services: [...services], edges: [...found.values()]};
}

// A row for each step from the first caller; who is in a circle stays where the steps end.
function layout(services, edges) {
	const depth = new Map(services.map((name) => [name, 0]));
	for (let step = 0; step < services.length; step++)
		for (const {from, to} of edges)
			depth.set(to, Math.min(Math.max(depth.get(to), depth.get(from) + 1), services.length - 1));
	const rows = [];
	for (const name of services.sort())
		(rows[depth.get(name)] ??= []).push(name);
	const places = new Map();
	rows.filter(Boolean).forEach((row, y) => row.forEach((name, i) => places.set(name,
		{x: (WIDTH * (i + 0.5)) / row.length, y: y * ROW + BOX.height / 2 + 4, row: y})));
	return {places, height: (rows.filter(Boolean).length - 1) * ROW + BOX.height + 8};
}

function drawEdge(edge, places) {
	const a = places.get(edge.from), b = places.get(edge.to), far = Math.abs(b.row - a.row) > 1;
	const start = [a.x, a.y + BOX.height / 2], end = [b.x, b.y - BOX.height / 2 - 5];
	const bend = far ? b.x + Math.sign(b.x - a.x || 1) * 40 : b.x;
	const reach = far ? 50 : (end[1] - start[1]) / 2;
	const control = [[far ? bend : a.x, start[1] + reach], [bend, end[1] - reach]];
	const middle = [0, 1].map((i) => (start[i] + 3 * control[0][i] + 3 * control[1][i] + end[i]) / 8);
	const share = Math.round((edge.failed / edge.count) * 100);
	const says = `${edge.from} calls ${edge.to}: ${number(edge.perMinute)} a minute, ${share} % failed, `
		+ `${duration(edge.ms / edge.count)} on average`;
	return svg("g", {class: edge.failed ? "edge failed" : "edge", "data-from": edge.from, "data-to": edge.to},
		svg("title", {}, says),
		svg("path", {d: `M${start}C${control[0]} ${control[1]} ${end}`, "marker-end": "url(#arrow)"}),
		svg("text", {x: middle[0], y: middle[1]}, `${number(edge.perMinute)}/min`),
		edge.failed > 0 && svg("text", {class: "share", x: middle[0], y: middle[1] + 15}, `✗ ${share} %`));
}

function drawNode(name, {x, y}) {
	const point = latest.get(name);
	const failed = point?.failed ? `, ✗ ${number(point.failed)}/s` : "";
	const text = point ? `${number(point.requests)}/s${failed}` : point === null ? "✗ does not answer" : "";
	return svg("a", {href: `#/traces?service=${encodeURIComponent(name)}`, class: point === null ? "node down" : "node",
		"data-service": name, "aria-label": `Traces of ${name}`},
		svg("rect", {class: colour(name), x: x - BOX.width / 2, y: y - BOX.height / 2, ...BOX, rx: 6}),
		svg("text", {x, y: text ? y - 3 : y + 5}, name),
		text && svg("text", {class: "small", x, y: y + 15}, text));
}

function draw({services, edges}) {
	const {places, height} = layout(services, edges);
	return svg("svg", {viewBox: `0 0 ${WIDTH} ${height}`, role: "group", "aria-label": "Service map"},
		svg("defs", {}, svg("marker", {id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7,
			orient: "auto"}, svg("path", {d: "M0 0L8 4L0 8z"}))),
		edges.map((edge) => drawEdge(edge, places)), [...places].map(([name, place]) => drawNode(name, place)));
}

export function serviceMap() {
	const graph = h("div", {id: "service-map"}), state = h("div");
	let shown = "";
	repeat(REFRESH_MS, async () => {
		if (!graph.isConnected)
			return;
		try {
			const found = await edges(), text = JSON.stringify([found, ...latest]);
			if (text !== shown && found.services.length) {
				const focused = graph.contains(document.activeElement) && document.activeElement.dataset.service;
				graph.replaceChildren(draw(found));
				if (focused)
					graph.querySelector(`a[data-service="${CSS.escape(focused)}"]`)?.focus();
				shown = text;
			}
			state.replaceChildren(...(found.edges.length ? [] : [h("p", {class: "empty"}, "No calls yet: place an order.")]));
		} catch (error) {
			fail(state, error);
		}
	});
	return h("section", {class: "card", "aria-labelledby": "map-title"},
		h("h2", {id: "map-title"}, "Service map"), graph, state,
		h("p", {class: "muted"}, `Calls and the share that failed, from the newest ${TRACES} traces of five minutes. `
			+ "A service opens its traces."));
}
