// The dialog 'Coach messages': on top of the page, never in its way. What it visibly shows is read.

import { $, clock, count, el } from "./dom.js";

const tag = (text, kind = "") => el("span", { class: `tag ${kind}`, text });

export class Dialog {
	through = 0; // the newest event id on display: up to there it is read
	#root;
	#list = $("dialog-list");
	#scroll = $("dialog-scroll");
	#below = $("dialog-below");
	#on;
	#rows = new Map();
	#new = new Set(); // unread when they came into view, until the dialog closes
	#confirming = new Set();
	#opener = null;
	#messages = [];

	/** `on`: opened(), closed(), confirm(message_id) → promise. */
	constructor(root, on) {
		this.#root = root;
		this.#on = on;
		$("dialog-close").addEventListener("click", () => this.close());
		this.#below.addEventListener("click", () => this.#toEnd());
		this.#scroll.addEventListener("scroll", () => { if (this.#atEnd) this.#below.hidden = true; });
	}

	get open() { return !this.#root.hidden; }

	/** Opens with `messages`; the focus moves in, and goes back to `opener` at the end. */
	show(messages, opener) {
		if (!this.open) {
			this.#opener = opener;
			this.#root.hidden = false;
			this.update(messages);
			const [first] = this.#new;
			if (first) this.#rows.get(first).scrollIntoView({ block: "nearest" });
			else this.#toEnd();
			this.#below.hidden = true;
			this.#on.opened();
		}
		this.#root.focus({ preventScroll: true });
	}

	close() {
		if (!this.open) return;
		const hadFocus = this.#root.contains(document.activeElement);
		this.#root.hidden = true;
		this.#new.clear();
		this.#rows.clear();
		this.#list.replaceChildren();
		$("announcer").textContent = "";
		if (hadFocus || document.activeElement === document.body) this.#opener?.focus();
		this.#on.closed();
	}

	/** Draws what changed, of these messages or of the last. Rows stay, and so do the focus and the place one has read to. */
	update(messages = this.#messages) {
		if (!this.open) return;
		this.#messages = messages;
		const followed = this.#atEnd;
		const grown = messages.filter((message) => !message.read_at && !this.#new.has(message.message_id));
		for (const message of grown) this.#new.add(message.message_id);
		const ids = new Set(messages.map((message) => message.message_id));
		for (const [id, row] of this.#rows) if (!ids.has(id)) { row.remove(); this.#rows.delete(id); }
		messages.forEach((message, index) => {
			const row = this.#row(message);
			if (this.#list.children[index] !== row) this.#list.insertBefore(row, this.#list.children[index] ?? null);
		});
		this.through = Math.max(0, ...messages.map((message) => message.seq));
		$("dialog-empty").hidden = messages.length > 0;
		$("dialog-count").textContent = messages.length ? `today · ${count(messages.length, "message")}` : "today";
		if (grown.length) this.#grew(grown, followed);
	}

	// Screen readers hear of it from its own region: the focus stays where the agent works.
	#grew(grown, followed) {
		const { sender, body } = grown.at(-1);
		$("announcer").textContent = `New message from ${sender}: ${body}`;
		if (followed) this.#toEnd();
		this.#below.textContent = `${count(grown.length, "new message")} below`;
		this.#below.hidden = this.#atEnd;
	}

	get #atEnd() { return this.#scroll.scrollHeight - this.#scroll.clientHeight - this.#scroll.scrollTop < 40; }
	#toEnd() { this.#scroll.scrollTop = this.#scroll.scrollHeight; }

	#row(message) {
		const { message_id: id, sent_at: sentAt, sender, body, priority, expired, expires_at: expiresAt, reminds } = message;
		const key = [message.acknowledged_at, expired, this.#new.has(id), this.#confirming.has(id)].join();
		const row = this.#rows.get(id) ?? el("li");
		if (row.dataset.key === key) return row;
		const focused = row.contains(document.activeElement);
		row.dataset.key = key;
		row.className = this.#new.has(id) ? "message new" : "message";
		row.replaceChildren(
			el("div", { class: "message-head" },
				el("time", { class: "num", datetime: sentAt, text: clock(sentAt) }), el("bdi", { text: sender }),
				this.#new.has(id) && tag("new", "is-new"), reminds && tag("reminder"),
				priority === "urgent" && tag("urgent", "urgent"),
				expiresAt && el("span", { class: expired && "tag", text: `${expired ? "expired" : "until"} ${clock(expiresAt)}` })),
			el("p", { class: "message-body", dir: "auto", text: body }));
		if (message.ack_required) row.append(this.#confirmation(message));
		if (focused) (row.querySelector("button:not(:disabled)") ?? this.#root).focus({ preventScroll: true });
		this.#rows.set(id, row);
		return row;
	}

	#confirmation(message) {
		if (message.acknowledged_at) return el("p", { class: "confirmed", text: `Confirmed ${clock(message.acknowledged_at)}` });
		const busy = this.#confirming.has(message.message_id);
		const by = message.ack_by ? ` by ${clock(message.ack_by)}` : "";
		return el("div", { class: "row" },
			el("button", { class: "btn", text: "Confirm", disabled: busy, on: { click: () => this.#confirm(message.message_id) } }),
			el("span", { class: "muted small", text: busy ? "confirming…" : `asked to confirm${by}` }));
	}

	async #confirm(id) {
		this.#confirming.add(id);
		this.update();
		await this.#on.confirm(id);
		this.#confirming.delete(id);
		this.update();
	}
}
