// SPDX-License-Identifier: MIT
// Which page the address names: #/  #/traces?…  #/trace/ID  #/api
import {fail, h} from "./dom.js";
import {Failure, settings} from "./http.js";
import {serviceMap} from "./map.js";
import {services} from "./services.js";
import * as trace from "./trace.js";
import * as traces from "./traces.js";
import {tryIt} from "./try.js";

const main = document.querySelector("main");
let close = () => {};
let overview;

// Made once: its numbers go on while other pages are shown.
function openOverview() {
	overview ??= [h("div", {class: "columns"}, tryIt()), h("div", {class: "columns live"}, services(), serviceMap())];
	main.replaceChildren(...overview);
}

async function openApi() {
	const section = h("div");
	main.replaceChildren(h("section", {class: "card", id: "api", "aria-labelledby": "api-title"},
		h("h2", {id: "api-title", class: "unseen"}, "API"), section));
	try {
		const [{render}, {gateway_port: port}] = await Promise.all([import("./openapi.js"), settings()]);
		await render(section, `http://${location.hostname}:${port}`);
	} catch (error) {
		fail(section, new Failure(`The API's description cannot be shown: ${error.message}`, "docs/api.md has it, too."));
	}
}

const ROUTES = [
	[/^#?\/?$/, "overview", "Overview", openOverview],
	[/^#\/traces(?:\?(.*))?$/, "traces", "Traces", (parameters) => traces.open(main, new URLSearchParams(parameters))],
	[/^#\/trace\/([0-9a-f]{1,32})$/i, "traces", "Trace", (id) => trace.open(main, id.toLowerCase().padStart(32, "0"))],
	[/^#\/api$/, "api", "API", openApi],
];

function route(event) {
	const [pattern, tab, title, open] = ROUTES.find(([pattern]) => pattern.test(location.hash)) ?? ROUTES[0];
	close();
	main.dataset.page = title.toLowerCase();
	main.ariaLabel = title;
	document.title = `${title} – apm`;
	for (const link of document.querySelectorAll("nav a"))
		link.ariaCurrent = link.dataset.tab === tab ? "page" : null;
	const ends = open(pattern.exec(location.hash)?.[1]);
	close = typeof ends === "function" ? ends : () => {};
	if (event && !main.contains(document.activeElement)) {
		main.focus({preventScroll: true});
		scrollTo(0, 0);
	}
}

document.querySelector(".skip").addEventListener("click", (event) => {
	event.preventDefault(); // the address names the page
	main.focus();
});
addEventListener("hashchange", route);
route();
