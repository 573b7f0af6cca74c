// SPDX-License-Identifier: MIT
// Sends requests to the gateway, and remembers how they were answered.
import {ask} from "./http.js";

const JSON_TYPE = "application/json";
const PRODUCTS = ["测试商品", "Tea", "Lamp", "Bicycle", "Crème brûlée", "Nón lá"];
const between = (low, high) => low + Math.floor(Math.random() * (high - low + 1));

export const answers = []; // newest first
const KEPT = 100;

let sent = 0;

// An object is sent as JSON, a text as it is. The answer: {number, time, method, path, status, ms, traceId, says}.
export async function send(method, path, body, type = JSON_TYPE) {
	const options = {method};
	if (body !== undefined) {
		options.body = typeof body === "string" ? body : JSON.stringify(body);
		options.headers = {"Content-Type": type};
	}
	const answer = {number: ++sent, time: Date.now(), method, path, status: 0, traceId: "", says: ""};
	const began = performance.now();
	try {
		const response = await ask(path.slice(1), options);
		answer.status = response.status;
		answer.traceId = response.headers.get("X-Trace-Id") ?? "";
		answer.says = summary(await response.text());
	} catch (error) {
		answer.says = `${error.message} ${error.remedy ?? ""}`;
	}
	answer.ms = performance.now() - began;
	answers.unshift(answer);
	answers.length = Math.min(answers.length, KEPT);
	return answer;
}

// What an answer says, in a line: of a problem its detail (RFC 9457), of a list how long it is.
function summary(text) {
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		return text.slice(0, 120);
	}
	if (value.items)
		return `${value.items.length} items`;
	if (value.detail)
		return value.errors ? value.errors.map((one) => `${one.pointer} ${one.detail}`).join("; ") : value.detail;
	return ["id", "product", "amount", "name", "status", "notification"].filter((key) => key in value)
		.map((key) => `${key} ${value[key]}`).join(", ");
}

export const order = (user, product, amount) => send("POST", "/api/v1/orders", {user_id: user, product, amount});

// Requests that fail, each for a reason of its own: name, what it shows, how.
export const failing = [
	["unknown-user", "Unknown user", () => order(999999, "测试商品", 99.99)],
	["invalid", "Invalid fields", () => order(1, "", 1.005)],
	["malformed", "Malformed JSON", () => send("POST", "/api/v1/orders", '{"user_id": 1,')],
	["media-type", "Wrong media type", () => send("POST", "/api/v1/orders", '{"user_id": 1}', "text/plain")],
	["too-large", "Body too large", () => order(1, "x".repeat(70000), 1)],
	["no-such-path", "No such path", () => send("GET", "/api/v1/nowhere")],
];

// weight, request: as a small shop has them, with the mistakes that clients make.
const MIX = [
	[22, () => order(between(1, 10), PRODUCTS[between(0, 5)], between(100, 20000) / 100)],
	[20, () => send("GET", "/api/v1/users?limit=20")],
	[15, () => send("GET", `/api/v1/users/${between(1, 10)}`)],
	[15, () => send("GET", "/api/v1/orders?limit=20")],
	[10, () => send("GET", `/api/v1/orders/${between(1, 20)}`)],
	[8, () => send("GET", `/api/v1/notifications?user_id=${between(1, 10)}`)],
	...failing.map(([, , request]) => [1, request]),
];

function anyOf(mix) {
	let rest = Math.random() * mix.reduce((sum, [weight]) => sum + weight, 0);
	return mix.find(([weight]) => (rest -= weight) < 0)[1];
}

const SECONDS = 60, EVERY_MS = 200, AT_A_TIME = 8;

// Until `seconds` are over or stop() is called; `progress({seconds, sent, failed, running})` hears of it.
export function traffic(progress, seconds = SECONDS) {
	const began = performance.now();
	const state = {of: seconds, seconds: 0, sent: 0, failed: 0, running: true};
	let open = 0;
	const timer = setInterval(async () => {
		state.seconds = Math.min((performance.now() - began) / 1000, seconds);
		if (state.seconds >= seconds)
			return stop();
		if (open >= AT_A_TIME)
			return;
		open++;
		const answer = await anyOf(MIX)();
		open--;
		state.sent++;
		state.failed += answer.status === 0 || answer.status >= 400;
		progress(state);
	}, EVERY_MS);
	function stop() {
		clearInterval(timer);
		state.running = false;
		progress(state);
	}
	progress(state);
	return stop;
}
