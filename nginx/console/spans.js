// SPDX-License-Identifier: MIT
// A trace as Tempo's API answers it, made into spans in the order of a waterfall.

const KINDS = ["", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

// Hexadecimal, from hexadecimal or base64.
function identifier(text = "") {
	if (text.length === 16 || text.length === 32)
		return text.toLowerCase();
	return Array.from(atob(text), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

// AnyValue as text, and what is nested in it as JSON.
function plain(value = {}) {
	if (value.arrayValue)
		return (value.arrayValue.values ?? []).map(plain);
	if (value.kvlistValue)
		return Object.fromEntries(attributes(value.kvlistValue.values));
	return Object.values(value)[0] ?? "";
}

function attributes(list = []) {
	return list.map(({key, value}) => [key, plain(value)]);
}

const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const pairs = (list) => attributes(list).map(([key, value]) => [key, text(value)]);
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function readSpan(span, resource, scope) {
	const found = Object.fromEntries(pairs(span.attributes));
	const start = BigInt(span.startTimeUnixNano ?? 0), end = BigInt(span.endTimeUnixNano ?? 0);
	const kind = span.kind ?? 0;
	return {
		id: identifier(span.spanId), parent: identifier(span.parentSpanId), name: span.name ?? "",
		service: resource["service.name"] ?? "?", resource,
		scope: [scope?.name, scope?.version].filter(Boolean).join(" "),
		kind: typeof kind === "number" ? KINDS[kind] ?? "" : kind.replace("SPAN_KIND_", "").replace("UNSPECIFIED", ""),
		start, end: end > start ? end : start, ms: end > start ? Number(end - start) / 1e6 : 0,
		failed: ["STATUS_CODE_ERROR", 2].includes(span.status?.code), statusMessage: span.status?.message ?? "",
		why: found["error.type"] ?? found["http.response.status_code"] ?? "",
		attributes: Object.entries(found),
		events: (span.events ?? []).map((event) => ({name: event.name ?? "", time: BigInt(event.timeUnixNano ?? 0),
			attributes: pairs(event.attributes)})),
		links: (span.links ?? []).map((link) => ({traceId: identifier(link.traceId), spanId: identifier(link.spanId),
			attributes: pairs(link.attributes)})),
		children: [],
	};
}

function* all(answer) {
	for (const batch of answer.batches ?? answer.resourceSpans ?? []) {
		const resource = Object.fromEntries(pairs(batch.resource?.attributes));
		for (const {scope, spans} of batch.scopeSpans ?? [])
			for (const span of spans ?? [])
				yield readSpan(span, resource, scope);
	}
}

// Spans of one id, kind and service are one that was sent again: the one that ends later stays.
function once(spans) {
	const kept = new Map();
	for (const span of spans) {
		const name = JSON.stringify([span.id, span.kind, span.service]), other = kept.get(name);
		if (!other || span.end >= other.end)
			kept.set(name, span);
	}
	return [...kept.values()];
}

// Two are enough to find one that is not the asker itself, so that no list of spans that share an id is walked.
function addTo(firstTwo, span) {
	if (firstTwo.length < 2)
		firstTwo.push(span);
}

// Puts every span below its parent; returns those that stand on top: roots, and orphans, whose parent is not here.
function nest(sorted, byId) {
	const roots = [];
	for (const span of sorted) {
		const same = byId.get(span.id);
		span.twin = same.count > 1; // two sides of a call that share an id, as Zipkin has it
		span.key = span.index === 0 ? span.id : `${span.id}-${span.index}`;
		const parents = byId.get(span.parent || null);
		const isOther = (one) => one !== span;
		span.above = parents?.byService.get(span.service)?.find(isOther) ?? parents?.first.find(isOther);
		span.circle = span.parent === span.id && !span.above;
		span.orphan = Boolean(span.parent) && !span.above && !span.circle;
		if (span.above)
			span.above.children.push(span);
		else
			roots.push(span);
	}
	return roots;
}

// The first span of the circle in which the parents of this one end; it stands on top then.
function openCircle(span) {
	const seen = new Set();
	for (let one = span; !seen.has(one); one = one.above)
		seen.add(one);
	const path = [...seen], circle = path.slice(path.indexOf(path.at(-1).above));
	const first = circle.reduce((least, one) => (earlier(one, least) < 0 ? one : least));
	first.circle = true;
	first.above.children.splice(first.above.children.indexOf(first), 1);
	return first;
}

const earlier = (a, b) => compare(a.start, b.start) || compare(b.end, a.end);

// Parents before children, siblings by their start; `depth` is set. Without recursion: a trace may be deep, and what
// a sender calls parents may run in a circle. Every span is there.
function order(spans) {
	const byId = new Map();
	const sorted = once(spans).sort(earlier);
	for (const span of sorted) {
		if (!byId.has(span.id))
			byId.set(span.id, {count: 0, first: [], byService: new Map()});
		const same = byId.get(span.id);
		span.index = same.count++;
		addTo(same.first, span);
		if (!same.byService.has(span.service))
			same.byService.set(span.service, []);
		addTo(same.byService.get(span.service), span);
	}
	const roots = nest(sorted, byId), result = [], seen = new Set();
	const walk = (root) => {
		const stack = [[root, 0]];
		while (stack.length) {
			const [span, depth] = stack.pop();
			seen.add(span);
			span.depth = depth;
			result.push(span);
			for (let i = span.children.length - 1; i >= 0; i--)
				stack.push([span.children[i], depth + 1]);
		}
	};
	roots.forEach(walk);
	for (const span of sorted)
		if (!seen.has(span))
			walk(openCircle(span));
	return result;
}

// {spans, start, end (ns), ms, services, failed, whole, message}; null when there are none. `whole`: no parent is
// missing; `message`: of a store that hands out a part of it.
export function readTrace(answer) {
	const spans = order([...all(answer)]);
	if (!spans.length)
		return null;
	const start = spans.reduce((least, span) => (span.start < least ? span.start : least), spans[0].start);
	const end = spans.reduce((most, span) => (span.end > most ? span.end : most), spans[0].end);
	for (const span of spans)
		span.offset = Number(span.start - start) / 1e6;
	const roots = spans.filter((span) => span.depth === 0);
	return {
		spans, start, end, ms: Number(end - start) / 1e6, services: [...new Set(spans.map((span) => span.service))],
		failed: spans.filter((span) => span.failed).length, whole: roots.length === 1 && !roots[0].parent,
		message: answer.message ?? "",
	};
}
