// SPDX-License-Identifier: MIT
// Asks the console's own server, which passes the question on (console.conf).

export class Failure extends Error {
	constructor(message, remedy) {
		super(message);
		this.remedy = remedy;
	}
}

const NO_SERVER = new Failure("The console's server does not answer.",
	"Is the system running? make status says; make run starts it.");

// The response, whatever its status.
export async function ask(path, options = {}) {
	try {
		return await fetch(path, {cache: "no-store", credentials: "omit", redirect: "error", ...options});
	} catch {
		throw NO_SERVER;
	}
}

// The JSON of an answer; null for 404. `who` and `remedy` say what to do when there is none.
export async function json(path, who, remedy) {
	const response = await ask(path, {headers: {Accept: "application/json"}});
	if (response.status === 404)
		return null;
	if (response.status >= 500)
		throw new Failure(`${who} does not answer (${response.status}).`, remedy);
	if (!response.ok)
		throw new Failure(`${who} answers ${response.status}: ${(await response.text()).slice(0, 200)}`, "");
	try {
		return await response.json();
	} catch {
		throw new Failure(`${who} answers what is no JSON.`, remedy);
	}
}

let promise;

// {services: [{name, port}], gateway_port, grafana_port}, as nginx/render knows them.
export function settings() {
	promise ??= json("settings.json", "The console's server", "Start it again: make run").catch((error) => {
		promise = undefined;
		throw error;
	});
	return promise;
}
