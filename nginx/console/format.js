// SPDX-License-Identifier: MIT
// How numbers, times and services are shown, everywhere the same.
import {h} from "./dom.js";

export function duration(ms) {
	if (ms < 1)
		return `${Math.round(ms * 1000)} µs`;
	if (ms < 1000)
		return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
	if (ms < 59995)
		return `${(ms / 1000).toFixed(2)} s`;
	const pair = (value, many, large, small) => `${Math.floor(value / many)}${large} ${value % many}${small}`;
	const seconds = Math.round(ms / 1000), minutes = Math.round(ms / 60000), hours = Math.round(ms / 3600000);
	return seconds < 3600 ? pair(seconds, 60, "m", "s")
		: minutes < 2880 ? pair(minutes, 60, "h", "m") : pair(hours, 24, "d", "h");
}

// Two digits that count, and no zeros behind them.
export function number(value) {
	return value === 0 ? "0" : String(value >= 100 ? Math.round(value) : Number(value.toPrecision(2)));
}

export function count(n, noun) {
	return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

// A moment in the zone of the reader; UTC, as logs have it, in the title.
export function time(ms, {date = false, fraction = 3} = {}) {
	const moment = new Date(ms);
	const options = {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
		fractionalSecondDigits: fraction || undefined};
	if (date)
		Object.assign(options, {year: "numeric", month: "short", day: "numeric", timeZoneName: "short"});
	const utc = moment.toISOString();
	return h("time", {datetime: utc, title: `${utc.replace("T", " ").replace("Z", "")} UTC`},
		moment.toLocaleString(undefined, options));
}

// The same for a name at any time and on any page: its hash (FNV-1a). style.css has the colours.
export function colour(service) {
	let hash = 2166136261;
	for (const char of service)
		hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
	return `colour${(hash >>> 16) % 8}`;
}

// Never by colour alone.
export function mark(good, text) {
	return h("span", {class: good ? "fine" : "error-mark"}, `${good ? "✓" : "✗"} ${text}`.trim());
}

export function chip(service, text = "") {
	return h("span", {class: `chip ${colour(service)}`, "data-service": service}, service, text);
}
