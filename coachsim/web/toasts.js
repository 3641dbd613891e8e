// Toasts: bottom right, three at once, others wait. Showing one is reported; missing it is not reading.

import { clock, count, el, visible } from "./dom.js";

const AT_ONCE = 3;
const STEP = 200;

export class Toasts {
	seconds = 8;
	#root;
	#on;
	#queue = [];
	#shown = [];
	#cameFrom = null;

	/** `on`: allowed(toast) → may it show now; open(cameFrom); shown(messageIds); dismissed(key). */
	constructor(root, on) {
		this.#root = root;
		this.#on = on;
		root.addEventListener("focusin", ({ relatedTarget }) => { if (!root.contains(relatedTarget)) this.#cameFrom = relatedTarget; });
		root.addEventListener("keydown", (event) => {
			const toast = this.#shown.find(({ node }) => node.contains(event.target));
			if (event.key === "Escape" && toast) this.#dismiss(toast);
		});
		setInterval(() => this.#tick(), STEP);
	}

	/** A message that came. */
	message({ message_id: key, sender, sent_at: sentAt, body, priority, ack_required: ack }) {
		const urgent = priority === "urgent";
		const mark = urgent ? "urgent" : ack && "asks you to confirm";
		this.#offer({ key, isMessage: true, urgent, mark, from: sender, at: ` · ${clock(sentAt)}`, text: body });
	}

	/** One for all that is unread; what waited its turn is in it. */
	summary(unread) {
		this.#queue = this.#queue.filter((toast) => !toast.isMessage);
		this.drop("summary");
		this.#offer({ key: "summary", from: "Coach messages", text: count(unread, "unread message") });
	}

	/** One of the page's own, which also shows on a break. */
	remark(from, text) {
		this.drop(from);
		this.#offer({ key: from, from, text, remark: true });
	}

	/** Keeps only what is still unread; the summary follows the count. */
	keep(isUnread, unread) {
		for (const toast of [...this.#shown, ...this.#queue]) {
			if (toast.isMessage ? !isUnread(toast.key) : toast.key === "summary" && !unread) this.drop(toast.key);
			else if (toast.key === "summary") this.#fill(toast, count(unread, "unread message"));
		}
	}

	/** Shown on another tab: not once more here. */
	shownElsewhere(keys) { this.#queue = this.#queue.filter((toast) => !keys.includes(toast.key)); }

	drop(key) {
		this.#queue = this.#queue.filter((toast) => toast.key !== key);
		for (const toast of this.#shown) if (toast.key === key) this.#remove(toast);
	}

	clear() {
		this.#queue = [];
		for (const toast of this.#shown) this.#remove(toast);
	}

	/** Shows what may be shown now. */
	pump() {
		const reported = [];
		while (this.#shown.length < AT_ONCE) {
			const next = this.#queue.findIndex((toast) => this.#on.allowed(toast));
			if (next < 0) break;
			const [toast] = this.#queue.splice(next, 1);
			this.#show(toast);
			if (toast.isMessage) reported.push(toast.key);
		}
		if (reported.length) this.#on.shown(reported);
	}

	#offer(toast) {
		if ([...this.#shown, ...this.#queue].some(({ key }) => key === toast.key)) return;
		const next = toast.urgent ? this.#queue.findIndex((other) => !other.urgent) : -1;
		this.#queue.splice(next < 0 ? this.#queue.length : next, 0, toast);
		this.pump();
	}

	#show(toast) {
		const { urgent, from, at, mark } = toast;
		const button = (text, act) => el("button", { class: "btn quiet", text, on: { click: act } });
		const head = el("div", { class: "toast-from" });
		toast.left = urgent ? Infinity : this.seconds * 1000;
		toast.body = el("p", { class: "toast-text", dir: "auto" });
		toast.node = el("article", { class: `toast${urgent ? " urgent" : ""}`, role: urgent ? "alert" : "status" },
			head, toast.body,
			el("div", { class: "row" }, button("Open", () => this.#open(toast)), button("Dismiss", () => this.#dismiss(toast))));
		this.#shown = [...this.#shown, toast];
		this.#root.prepend(toast.node); // the others stay under the pointer
		// Screen readers announce changes inside a region that is there.
		setTimeout(() => {
			head.append(el("bdi", { text: from }), at ?? "", el("strong", { text: mark ? ` · ${mark}` : "" }));
			this.#fill(toast, toast.text);
		}, 20);
	}

	#fill(toast, text) {
		toast.text = text;
		if (toast.body && toast.body.textContent !== text) toast.body.textContent = text;
	}

	// Time stands still while the pointer or the focus is on them, and while nobody can see them.
	#tick() {
		if (!visible() || this.#root.matches(":hover, :focus-within")) return;
		for (const toast of this.#shown) if ((toast.left -= STEP) <= 0) this.#remove(toast);
	}

	#open(toast) {
		const from = this.#cameFrom;
		this.drop(toast.key);
		this.#on.open(from);
	}

	#dismiss(toast) {
		const index = this.#shown.indexOf(toast);
		const hadFocus = toast.node.contains(document.activeElement);
		this.#remove(toast);
		this.#on.dismissed(toast.key);
		if (hadFocus) (this.#shown.at(Math.min(index, this.#shown.length - 1))?.node.querySelector("button") ?? this.#cameFrom)?.focus();
	}

	#remove(toast) {
		this.#shown = this.#shown.filter((other) => other !== toast);
		toast.node.remove();
		this.pump();
	}
}
