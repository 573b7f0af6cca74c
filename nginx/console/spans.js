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

// Parents before children, siblings by their start; `depth` is set. Without recursion: a trace may be deep, and what
// a sender calls parents may run in a circle.
function order(spans) {
	const byId = new Map(spans.map((span) => [span.id, span]));
	const sorted = [...byId.values()].sort((a, b) => compare(a.start, b.start) || compare(b.end, a.end));
	const isRoot = (span) => !byId.has(span.parent) || span.parent === span.id;
	for (const span of sorted)
		if (!isRoot(span))
			byId.get(span.parent).children.push(span);
	const result = [], seen = new Set();
	for (const root of [...sorted.filter(isRoot), ...sorted]) {
		const stack = [[root, 0]];
		while (stack.length) {
			const [span, depth] = stack.pop();
			if (seen.has(span))
				continue;
			seen.add(span);
			span.depth = depth;
			result.push(span);
			stack.push(...span.children.map((child) => [child, depth + 1]).reverse());
		}
	}
	return result;
}

// {spans, start, end (ns), ms, services, failed, whole}; null when there are none. `whole`: no parent is missing.
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
	};
}
