// SPDX-License-Identifier: MIT
// Links to Grafana, when there is one.
import {h} from "./dom.js";
import {ask, settings} from "./http.js";

let found; // a promise: Grafana's address, or ""

async function look() {
	const {grafana_port: port} = await settings();
	const response = await ask("grafana-health");
	return response.status === 200 ? `http://${location.hostname}:${port}` : "";
}

// Explore with the data source whose uid is "tempo", as stack/grafana provisions it. Null without a Grafana.
export async function grafanaLink(query) {
	found ??= look().catch(() => "");
	const address = await found;
	if (!address) {
		found = undefined; // it may be started meanwhile
		return null;
	}
	const datasource = {type: "tempo", uid: "tempo"};
	const panes = {apm: {datasource: datasource.uid, queries: [{refId: "A", datasource, queryType: "traceql", query}],
		range: {from: "now-1h", to: "now"}}};
	const parameters = new URLSearchParams({schemaVersion: 1, orgId: 1, panes: JSON.stringify(panes)});
	return h("a", {href: `${address}/explore?${parameters}`, target: "_blank", rel: "noopener", class: "grafana"},
		"Open in Grafana ↗");
}
