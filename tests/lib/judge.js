// SPDX-License-Identifier: MIT
// Run inside a page by lib/browser.py: what a reader of the page could not read, reach or see.

function describe(element) {
	const name = [element.tagName.toLowerCase(), ...element.classList].join(".") + (element.id && `#${element.id}`);
	return `${name} "${(element.textContent || element.value || "").trim().slice(0, 40)}"`;
}

const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const colours = new Map();

// Any colour as [red, green, blue, alpha], 0 to 255 and 0 to 1.
function colourOf(text) {
	if (!colours.has(text)) {
		context.fillStyle = text;
		context.clearRect(0, 0, 1, 1);
		context.fillRect(0, 0, 1, 1);
		const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
		colours.set(text, [red, green, blue, alpha / 255]);
	}
	return colours.get(text);
}

function over(front, back) {
	return [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
}

const grounds = new Map();

function ground(element) {
	if (!element)
		return [255, 255, 255, 1];
	if (!grounds.has(element))
		grounds.set(element, over(colourOf(getComputedStyle(element).backgroundColor), ground(element.parentElement)));
	return grounds.get(element);
}

// WCAG 2.2, relative luminance and contrast ratio.
function luminance(colour) {
	const [red, green, blue] = colour.slice(0, 3).map((value) => value / 255)
		.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
	return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a, b) {
	const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
	return (light + 0.05) / (dark + 0.05);
}

function* shownTexts() {
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (walker.currentNode.data.trim() && element.checkVisibility({opacityProperty: true, visibilityProperty: true}))
			yield [element, getComputedStyle(element)];
	}
	for (const field of document.querySelectorAll("input, select"))
		for (const part of [undefined, "::placeholder"])
			if (field.checkVisibility() && field.type !== "checkbox")
				yield [field, getComputedStyle(field, part)];
	for (const element of document.querySelectorAll("main *")) {
		const before = getComputedStyle(element, "::before");
		if (/"/.test(before.content) && element.checkVisibility())
			yield [element, before];
	}
}

// Texts with less than 4.5:1, and how many were looked at.
function paleTexts() {
	const pale = new Set();
	let seen = 0;
	for (const [element, style] of shownTexts()) {
		const below = ground(element), own = [...colourOf(element instanceof SVGElement ? style.fill : style.color)];
		for (let one = element; one; one = one.parentElement)
			own[3] *= Number(getComputedStyle(one).opacity);
		const ratio = contrast(over(own, below), below);
		if (ratio < 4.5)
			pale.add(`${describe(element)} ${ratio.toFixed(2)}`);
		seen++;
	}
	return [[...pale], seen];
}

// What reaches over the right edge of the page, except inside what scrolls by itself.
function overflows() {
	const width = document.documentElement.clientWidth;
	const clips = (element) => element
		&& (getComputedStyle(element).overflowX !== "visible" || clips(element.parentElement));
	const wide = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
		&& element.getBoundingClientRect().right > width + 0.5 && !clips(element.parentElement));
	return [document.documentElement.scrollWidth - width, wide.map(describe)];
}

// What has the focus, and whether that can be seen: an outline, or a line under the text of a drawn one.
function focus() {
	const element = document.activeElement, style = getComputedStyle(element);
	const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
		&& contrast(colourOf(style.outlineColor), ground(element.parentElement)) >= 3;
	const underlined = element instanceof SVGElement
		&& getComputedStyle(element.querySelector("text")).textDecorationLine === "underline";
	return [describe(element), outlined || underlined];
}

function countTabStops() {
	const tabbable = "a[href], button:enabled, input:enabled, select:enabled, summary, [tabindex='0']";
	return [...document.querySelectorAll(tabbable)].filter((element) => element.checkVisibility()).length;
}
