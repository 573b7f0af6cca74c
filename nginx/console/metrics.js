// SPDX-License-Identifier: MIT
// Reads Prometheus' text format, and computes from two scrapes what PromQL's rate() and histogram_quantile() do.

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const REQUESTS = "http_server_request_duration_seconds";

function* samples(text, wanted) {
	for (const line of text.split("\n")) {
		if (!wanted.some((name) => line.startsWith(name)))
			continue;
		const [, name, text = "", value] = SAMPLE.exec(line) ?? [];
		const labels = Object.fromEntries(Array.from(text.matchAll(LABEL), ([, key, value]) => [key, value]));
		if (name)
			yield {name, labels, value: Number(value)};
	}
}

// Of all routes together: {time (ms), service, requests, refused (4xx), failed (5xx), buckets: Map of bound (s) to
// count}.
export function readScrape(text, time) {
	const scrape = {time, service: "", requests: 0, refused: 0, failed: 0, buckets: new Map()};
	for (const {name, labels, value} of samples(text, [REQUESTS, "target_info"])) {
		const status = labels.http_response_status_code ?? "";
		if (name === "target_info") {
			scrape.service = labels.service_name;
		} else if (name === `${REQUESTS}_count`) {
			scrape.requests += value;
			scrape.refused += status.startsWith("4") ? value : 0;
			scrape.failed += status.startsWith("5") ? value : 0;
		} else if (name === `${REQUESTS}_bucket`) {
			const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
			scrape.buckets.set(bound, (scrape.buckets.get(bound) ?? 0) + value);
		}
	}
	return scrape;
}

// `counts`: cumulative, by bound. Linear inside a bucket; beyond the last bound, that bound. Null without observations.
export function quantile(q, counts) {
	const buckets = [...counts].sort(([a], [b]) => a - b);
	const total = buckets.at(-1)?.[1] ?? 0;
	if (!total)
		return null;
	const rank = q * total, at = buckets.findIndex(([, count]) => count >= rank);
	const [bound, count] = buckets[at];
	if (bound === Infinity)
		return buckets[at - 1]?.[0] ?? null;
	const [lower, below] = at > 0 ? buckets[at - 1] : [0, 0];
	return lower + (bound - lower) * ((rank - below) / (count - below));
}

// What happened between two scrapes, a second; null when the program was started anew, as its counters were.
export function difference(before, after) {
	const seconds = (after.time - before.time) / 1000;
	if (after.requests < before.requests || seconds <= 0)
		return null;
	const rate = (name) => (after[name] - before[name]) / seconds;
	const buckets = Array.from(after.buckets, ([bound, count]) => [bound, count - (before.buckets.get(bound) ?? 0)]);
	const p95 = quantile(0.95, buckets);
	return {time: after.time, requests: rate("requests"), refused: rate("refused"), failed: rate("failed"),
		p95: p95 === null ? null : p95 * 1000};
}
