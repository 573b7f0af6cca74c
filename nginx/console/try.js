// SPDX-License-Identifier: MIT
// The first page's upper half: buttons that send requests, and how they were answered.
import {h, table} from "./dom.js";
import {count, duration, mark, time} from "./format.js";
import {answers, failing, order, traffic} from "./requests.js";

function answerRow(answer) {
	const good = answer.status >= 200 && answer.status < 400;
	return h("tr", {"data-answer": answer.number, "data-status": answer.status, class: good ? "" : "failed"},
		h("td", {}, time(answer.time, {fraction: 0})),
		h("td", {class: "request"}, h("strong", {}, answer.method), " ", answer.path),
		h("td", {}, mark(good, answer.status || "none")),
		h("td", {class: "number"}, duration(answer.ms)),
		h("td", {}, answer.traceId && h("a", {href: `#/trace/${answer.traceId}`, class: "id", title: answer.traceId,
			"data-trace-link": answer.traceId, "aria-label": `Trace ${answer.traceId}`}, `${answer.traceId.slice(0, 8)}…`)),
		h("td", {class: "says", title: answer.says}, answer.says));
}

function answerTable() {
	const body = h("tbody", {id: "answers"});
	const empty = h("p", {class: "empty"}, "Nothing was sent yet. Place an order: it passes the gateway and three "
		+ "services, and all of it is one trace, which opens with the link beside the answer.");
	const headers = ["Time", "Request", "Status", "Duration", "Trace", "Says"];
	const list = table({class: "list"}, "Answers, the newest first", headers, body);
	list.hidden = true;
	const element = h("section", {class: "card answers", "aria-labelledby": "answers-title"},
		h("h2", {id: "answers-title"}, "Answers"), empty, list);
	let shown = 0;
	// Rows that are there stay, so that the focus does.
	const update = () => {
		const fresh = answers.filter((answer) => answer.number > shown);
		body.prepend(...fresh.map(answerRow));
		while (body.rows.length > answers.length)
			body.lastElementChild.remove();
		shown = Math.max(shown, ...fresh.map((answer) => answer.number));
		[list.hidden, empty.hidden] = [!answers.length, answers.length > 0];
	};
	return [element, update];
}

// A number where it is one; else as it was typed, for the gateway to refuse.
const numeric = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));

export function tryIt() {
	const [table, update] = answerTable();
	const said = h("p", {id: "last-answer", role: "status", class: "muted"}, " ");
	const show = async (request) => {
		const answer = await request();
		said.textContent = `${answer.method} ${answer.path} was answered ${answer.status || "not at all"} `
			+ `in ${duration(answer.ms)}.`;
		update();
	};
	const input = (id, label, value, attributes) => h("label", {}, label, h("input", {id, value, ...attributes}));
	const user = input("order-user", "User", 1, {inputmode: "numeric", class: "short"});
	const product = input("order-product", "Product", "测试商品", {lang: "zh"});
	const amount = input("order-amount", "Amount", "99.99", {inputmode: "decimal", class: "short"});
	const value = (label) => label.querySelector("input").value;
	const form = h("form", {id: "order-form", class: "controls", autocomplete: "off", onsubmit: (event) => {
		event.preventDefault();
		show(() => order(numeric(value(user)), value(product), numeric(value(amount))));
	}}, user, product, amount, h("button", {id: "place-order", class: "primary"}, "Place an order"));

	let stop;
	const bar = h("progress", {id: "traffic-progress", max: 1, value: 0, "aria-label": "Traffic sent"});
	const text = h("span", {id: "traffic-text", class: "muted"}, "300 requests: lists, look-ups, orders, and mistakes.");
	const begin = h("button", {id: "traffic-start", type: "button", onclick: () => {
		stop = traffic(progress);
	}}, "Send a minute of traffic");
	const end = h("button", {id: "traffic-stop", type: "button", disabled: true, onclick: () => stop()}, "Stop");
	function progress(state) {
		[begin.disabled, end.disabled] = [state.running, !state.running];
		bar.value = state.seconds / state.of;
		text.textContent = `${state.running ? `${Math.round(state.seconds)} of ${state.of} s` : "Ended"}: `
			+ `${count(state.sent, "request")}, ${state.failed} of them refused or failed.`;
		update();
	}
	const controls = h("section", {class: "card", "aria-labelledby": "try-title"},
		h("h2", {id: "try-title"}, "Try it"), form,
		h("fieldset", {}, h("legend", {}, "Or one that is refused"), failing.map(([id, label, request]) =>
			h("button", {type: "button", id: `fail-${id}`, onclick: () => show(request)}, label))),
		h("fieldset", {class: "traffic"}, h("legend", {}, "Or many"), begin, end, bar, text),
		said);
	return [controls, table];
}
