// SPDX-License-Identifier: MIT
// Makes elements. Text goes in as text: what a service or a sender wrote is never read as HTML.

function make(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else if (name === "style")
			for (const [property, text] of Object.entries(value))
				element.style.setProperty(property, text);
		else
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
	return element;
}

// h("a", {href: "#/", onclick: …, style: {"--left": "3%"}}, "text", element, [more])
export function h(tag, attributes = {}, ...children) {
	return make(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
	return make(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// Only what is new, so that a live region (role="status") is not read out again and again.
export function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

// A table with a row of headers, in a region that scrolls by itself. `attributes`: of the table.
export function table(attributes, label, headers, body) {
	return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": label}, h("table", attributes,
		h("thead", {}, h("tr", {}, headers.map((name) => h("th", {scope: "col"}, name)))), body));
}

// Says what went wrong, and what to do about it. Once: what is said already is not announced again.
export function fail(container, error) {
	const text = [error.message, error.remedy].filter(Boolean).join(" ");
	if (container.textContent !== text)
		container.replaceChildren(h("p", {class: "failure", role: "alert", "data-failure": true},
			h("strong", {}, error.message), error.remedy && ` ${error.remedy}`));
}

// Calls `work` now and again `ms` after it ended, not while the page is hidden. Returns what stops it.
export function repeat(ms, work) {
	let timer = 0, stopped = false;
	const run = async () => {
		if (!document.hidden)
			await work();
		if (!stopped)
			timer = setTimeout(run, ms);
	};
	timer = setTimeout(run); // when what is drawn into has its place
	return () => {
		stopped = true;
		clearTimeout(timer);
	};
}
