// SPDX-License-Identifier: MIT
// The description of the API, openapi.json, for people. Classes: openapi.css.
import {h, table} from "./dom.js";
import {json} from "./http.js";

const METHODS = ["get", "head", "post", "put", "patch", "delete"];

let api; // the description
let origin; // of the API

// ---- elements ----

// Paragraphs, with lists of lines that begin with "- ", and `code`.
function prose(text = "") {
	const inline = (line) => line.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
	return text.trim().split("\n\n").filter(Boolean).map((part) => (part.startsWith("- ")
		? h("ul", {}, ...part.slice(2).split("\n- ").map((item) => h("li", {}, inline(item))))
		: h("p", {}, inline(part))));
}

function tableOf(className, label, headers, rows) {
	return table({class: className}, label, headers,
		h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell))))));
}

function section(title, ...children) {
	return h("section", {}, h("h5", {}, title), ...children);
}

// ---- schemas ----

function resolve(value) {
	while (value?.$ref)
		value = value.$ref.slice(2).split("/").reduce((node, key) =>
			node[key.replaceAll("~1", "/").replaceAll("~0", "~")], api);
	return value;
}

function nameOf(schema) {
	return schema.$ref ? schema.$ref.split("/").pop() : "";
}

function range(low, high, unit) {
	if (low === undefined && high === undefined)
		return "";
	const text = low === undefined ? `at most ${high}` : high === undefined ? `at least ${low}`
		: low === high ? `${low}` : `${low} to ${high}`;
	return unit ? `${text} ${unit}` : text;
}

// Type and bounds in words.
function bounds(schema) {
	const parts = [
		[schema.type ?? "any"].flat().join(" or "),
		schema.const === undefined ? "" : `always ${JSON.stringify(schema.const)}`,
		schema.enum ? `one of ${schema.enum.join(", ")}` : "",
		range(schema.minimum, schema.maximum),
		range(schema.minLength, schema.maxLength, "characters"),
		range(schema.minItems, schema.maxItems, "items"),
		range(schema.minProperties, schema.maxProperties, "members"),
		schema.multipleOf ? `in steps of ${schema.multipleOf}` : "",
		schema["x-maxBytes"] ? `at most ${schema["x-maxBytes"]} bytes` : "",
		schema.format ?? "",
		schema.default === undefined ? "" : `default ${schema.default}`,
	].filter(Boolean).join("; ");
	return schema.pattern ? [`${parts}; `, h("code", {class: "api-pattern"}, schema.pattern)] : parts;
}

function typeOf(schema) {
	return schema.type === "array" ? [`${nameOf(schema.items) || "items"}[]; `, bounds(schema)].flat() : bounds(schema);
}

// Rows of a table: every member, those of members below it.
function members(schema, prefix = "") {
	schema = resolve(schema);
	if (schema.type === "array")
		return members(schema.items, `${prefix}[]`);
	return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
		const path = prefix ? `${prefix}.${name}` : name;
		const member = resolve(value);
		const needed = schema.required?.includes(name) ? "yes" : "";
		return [[h("code", {}, path), needed, typeOf(member), prose(member.description)], ...members(member, path)];
	});
}

function schemaTable(schema) {
	const rows = members(schema);
	const note = bounds(resolve(schema));
	return [note === "object" ? "" : h("p", {class: "api-note"}, ...[note].flat()),
		rows.length > 0 && tableOf("api-members", "Members", ["Member", "Required", "Type and bounds", "Meaning"], rows)];
}

function fold(title, ...children) {
	return h("details", {class: "api-schema"}, h("summary", {}, title), ...children);
}

// ---- an operation ----

function parameterRows(parameters) {
	return parameters.map((parameter) => [h("code", {}, parameter.name), parameter.in,
		parameter.required ? "yes" : "", bounds(resolve(parameter.schema)), prose(parameter.description)]);
}

function answers(responses) {
	const schemas = new Map();
	const rows = Object.entries(responses).map(([status, response]) => {
		response = resolve(response);
		const names = Object.keys(response.headers ?? {}).join(", ");
		const bodies = Object.entries(response.content ?? {}).map(([type, {schema}]) => {
			schemas.set(nameOf(schema) || type, schema);
			return `${type} ${nameOf(schema)}`;
		});
		const code = h("strong", {class: `api-status api-status-${status[0]}`}, status);
		return [code, prose(response.description), bodies.join(", "), names];
	});
	return section("Answers", tableOf("api-answers", "Answers", ["Status", "When", "Body", "Headers"], rows),
		...[...schemas].map(([name, schema]) => fold(name, ...schemaTable(schema))));
}

function quote(text) {
	return `'${text.replaceAll("'", "'\\''")}'`;
}

function curl(method, path, parameters, media) {
	const filled = path.replace(/{(\w+)}/g, (_, name) =>
		resolve(parameters.find((parameter) => parameter.name === name).schema).examples[0]);
	const url = new URL(api.servers[0].url, origin).href.replace(/\/$/, "") + filled;
	return ["curl -i", method === "get" ? "" : `-X ${method.toUpperCase()}`, url,
		media ? `-H "Content-Type: application/json" -d ${quote(JSON.stringify(media.example))}` : "",
	].filter(Boolean).join(" ");
}

function example(line) {
	const code = h("code", {}, line);
	const copy = async () => {
		try {
			await navigator.clipboard.writeText(line);
			button.textContent = "Copied";
		} catch { // not allowed here: leave it selected
			getSelection().selectAllChildren(code);
			button.textContent = "Selected";
		}
		setTimeout(() => { button.textContent = "Copy"; }, 2000);
	};
	const button = h("button", {type: "button", class: "api-copy", onclick: copy}, "Copy");
	return section("Example", h("div", {class: "api-example"}, h("pre", {}, code), button));
}

function operation(path, item, method) {
	const {summary, description, requestBody, responses, parameters: own = []} = item[method];
	const parameters = [...own, ...(item.parameters ?? [])].map(resolve);
	const media = requestBody?.content["application/json"];
	const badge = h("span", {class: `api-method api-method-${method}`}, method.toUpperCase());
	return h("details", {class: "api-operation"},
		h("summary", {}, badge, h("code", {class: "api-path"}, path), h("span", {class: "api-summary"}, summary)),
		h("div", {class: "api-body"}, prose(description),
			method === "get" && item.head ? h("p", {}, "HEAD answers the same without the body.") : "",
			section("Parameters", tableOf("api-parameters", "Parameters",
				["Name", "In", "Required", "Type and bounds", "Meaning"],
				parameterRows(parameters))),
			media ? section(`Body, application/json: ${nameOf(media.schema)}`, ...schemaTable(media.schema)) : "",
			example(curl(method, path, parameters, media)),
			answers(responses)));
}

// ---- all of it ----

function operationsOf(tag) {
	return Object.entries(api.paths).flatMap(([path, item]) => METHODS
		.filter((method) => item[method]?.tags.includes(tag) && !(method === "head" && item.get))
		.map((method) => operation(path, item, method)));
}

// Shows the API in `element`, in place of what was there. `gateway`: the origin that answers.
export async function render(element, gateway) {
	api = await json("openapi.json", "The console's server", "Start it again: make run");
	origin = gateway;
	element.replaceChildren(h("div", {class: "api"}, h("h3", {}, `${api.info.title}: ${api.info.summary}`),
		prose(api.info.description),
		api.tags.map(({name, description}) => h("section", {class: "api-tag"},
			h("h4", {}, name), prose(description), operationsOf(name)))));
}
