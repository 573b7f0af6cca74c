// SPDX-License-Identifier: MIT
// A small line chart of the last minutes: an axis from 0 to a round number, and lines that end now.
import {h, svg} from "./dom.js";
import {number} from "./format.js";

const WIDTH = 240, HEIGHT = 48;
export const SPAN_MS = 5 * 60 * 1000;

function roundUp(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

// null makes a gap; a value between gaps is a dot, which the round end of a line without length draws.
function path(points, now, top) {
	let pen = "M", text = "";
	for (const {time, value} of points) {
		const x = (WIDTH * (1 - (now - time) / SPAN_MS)).toFixed(1);
		if (value === null) {
			pen = "M";
		} else {
			text += `${pen}${x} ${(HEIGHT * (1 - value / top)).toFixed(1)}`;
			text += pen === "M" ? "h0" : "";
			pen = "L";
		}
	}
	return text;
}

// `lines`: their CSS classes. update([[{time, value}, …] of each line], now, what those hear who cannot see it).
export function chart(lines, unit) {
	const stroke = (name, d) => svg("path", {class: name, d, "vector-effect": "non-scaling-stroke"});
	const paths = lines.map((name) => stroke(`line ${name}`));
	const graph = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img"},
		stroke("grid", `M0 0H${WIDTH}M0 ${HEIGHT}H${WIDTH}`), ...paths);
	const most = h("span", {class: "most"}), least = h("span", {class: "least"}, "0");
	const element = h("div", {class: "chart"}, h("div", {class: "axis", "aria-hidden": "true"}, most, least), graph);
	function update(series, now, says) {
		const highest = Math.max(...series.flat().map((point) => point.value ?? 0));
		const limit = highest > 0 ? roundUp(highest) : 1;
		most.textContent = `${number(limit)} ${unit}`;
		graph.setAttribute("aria-label", says);
		series.forEach((points, i) => paths[i].setAttribute("d", path(points, now, limit)));
	}
	return [element, update];
}
