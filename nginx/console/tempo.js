// SPDX-License-Identifier: MIT
// Traces, by Tempo's HTTP API: of the trace store of this system, or of a Tempo.
import {json} from "./http.js";

const REMEDY = "Is the trace store off (TRACE_STORE=off), or do spans go to another collector? "
	+ "Then start the system with TEMPO_URL=http://HOST:PORT, the address of a Tempo. make status shows what runs.";

const get = (path) => json(`tempo/api/${path}`, "The trace store", REMEDY);

// TraceQL of the filters, in the part of it that the trace store knows as well.
export function query({service, route, errors, slower}) {
	const text = (value) => JSON.stringify(value);
	const conditions = [
		service && `resource.service.name = ${text(service)}`,
		route && `rootName = ${text(route)}`, // of the trace, so that it goes with errors of any span
		errors && "status = error",
		slower > 0 && `duration > ${slower}ms`,
	].filter(Boolean);
	return conditions.length ? `{ ${conditions.join(" && ")} }` : "{ }";
}

// Newest first: {id, service, name, start (ms), ms, spans, errors, services: [[name, spans, errors]]}.
export async function search(q, {limit = 20, seconds = 3600} = {}) {
	const now = Math.ceil(Date.now() / 1000);
	const parameters = new URLSearchParams({q, limit, start: now - seconds, end: now + 60});
	const answer = await get(`search?${parameters}`);
	const traces = (answer?.traces ?? []).map((trace) => {
		const services = Object.entries(trace.serviceStats ?? {})
			.map(([name, stats]) => [name, stats.spanCount ?? 0, stats.errorCount ?? 0]).sort();
		const sum = (index) => services.reduce((total, one) => total + one[index], 0);
		return {
			id: trace.traceID.padStart(32, "0"), service: trace.rootServiceName ?? "", name: trace.rootTraceName ?? "",
			start: Number(BigInt(trace.startTimeUnixNano) / 1000n) / 1000, ms: trace.durationMs ?? 0,
			spans: sum(1), errors: sum(2), services,
		};
	});
	return traces.sort((a, b) => b.start - a.start);
}

// As it comes; spans.js reads it. null: there is none (yet).
export const trace = (id) => get(`traces/${id}`);

export async function values(tag) {
	const answer = await get(`v2/search/tag/${tag}/values`);
	return (answer?.tagValues ?? []).map((one) => one.value).sort();
}
