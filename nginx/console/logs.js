// SPDX-License-Identifier: MIT
// The lines of a trace, out of the services' log files. A file is in order of time, nearly: bisecting it by Range
// requests finds where the trace's time begins, and only that part is read.
import {ask} from "./http.js";

const PROBE = 64 * 1024; // longer than a line
const CHUNK = 512 * 1024;
const MOST = 8 * 1024 * 1024; // that are read of one file
const SLACK_MS = 500; // several threads write

// {bytes, size of the file}; null: no such file, or nothing there.
async function part(file, range) {
	const response = await ask(file, {headers: {Range: `bytes=${range}`}});
	if (response.status !== 206)
		return null;
	const size = Number(response.headers.get("Content-Range")?.split("/")[1]);
	return {bytes: new Uint8Array(await response.arrayBuffer()), size};
}

function parse(line) {
	try {
		return JSON.parse(line);
	} catch {
		return null;
	}
}

// The time of the first whole line in these bytes; undefined without one. `cut`: they may begin inside a line.
function firstTime(bytes, cut) {
	const lines = new TextDecoder().decode(bytes).split("\n").slice(cut ? 1 : 0, -1);
	for (const line of lines) {
		const ts = Date.parse(parse(line)?.ts);
		if (!Number.isNaN(ts))
			return ts;
	}
	return undefined;
}

// An offset before which all lines are older than `from`. The end of the file comes first: a new trace is there.
async function begin(file, from) {
	const tail = await part(file, `-${PROBE}`);
	if (!tail)
		return null;
	let low = 0, high = Math.max(tail.size - PROBE, 0);
	if (high > 0 && firstTime(tail.bytes, true) < from)
		return high;
	while (high - low > PROBE) {
		const middle = Math.floor((low + high) / 2);
		const probe = await part(file, `${middle}-${middle + PROBE - 1}`);
		if (probe && firstTime(probe.bytes, true) < from)
			low = middle;
		else
			high = middle;
	}
	return low;
}

// Line after line; null in the end when there are more than are read.
async function* lines(file, offset) {
	let rest = new Uint8Array(0);
	for (let read = 0; read < MOST; read += CHUNK) {
		const got = await part(file, `${offset + read}-${offset + read + CHUNK - 1}`);
		if (!got)
			return;
		const bytes = new Uint8Array(rest.length + got.bytes.length);
		bytes.set(rest);
		bytes.set(got.bytes, rest.length);
		const end = bytes.lastIndexOf(10) + 1;
		rest = bytes.slice(end);
		yield* new TextDecoder().decode(bytes.subarray(0, end)).split("\n");
		if (got.bytes.length < CHUNK)
			return;
	}
	yield null;
}

async function linesIn(file, {service, traceId, from, until}) {
	const found = [], offset = await begin(file, from);
	if (offset === null)
		return {found, whole: false};
	for await (const text of lines(file, offset)) {
		if (text === null) {
			const msg = `more lines of that time are in ${file} than are read here`;
			found.push({ts: "", service, level: "warn", msg, time: until});
		} else if (text.includes(traceId)) {
			const line = parse(text);
			if (line?.trace_id === traceId)
				found.push({...line, time: Date.parse(line.ts)});
		} else if (Date.parse(text.slice(7, 34)) > until) { // {"ts":"…"
			break;
		}
	}
	const head = offset > 0 ? null : await part(file, `0-${PROBE - 1}`);
	return {found, whole: offset > 0 || firstTime(head?.bytes, false) < from};
}

async function linesOf(wanted) {
	if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(wanted.service))
		return [];
	const log = await linesIn(`logs/${wanted.service}.log`, wanted);
	if (log.whole)
		return log.found;
	const before = await linesIn(`logs/${wanted.service}.log.1`, wanted); // a log that is too large is begun anew
	return [...before.found, ...log.found];
}

// In order of time. `from` and `until` (ms): when the trace was.
export async function logLines(services, traceId, from, until) {
	const found = await Promise.all(services.map((service) =>
		linesOf({service, traceId, from: from - SLACK_MS, until: until + SLACK_MS})));
	return found.flat().sort((a, b) => (a.ts < b.ts ? -1 : 1));
}
