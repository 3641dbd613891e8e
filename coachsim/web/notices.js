// Sentences about the page itself: a request that failed, the line that is down.

import { el } from "./dom.js";

export class Notices {
	#root;
	#shown = new Map();

	constructor(root) { this.#root = root; }

	/** Shows `text` in the place of what had that key. A fault is announced at once, else when there is a pause. */
	show(key, text, { fault = true, closable = true } = {}) {
		if (this.#shown.get(key)?.firstChild.textContent === text) return;
		this.clear(key);
		const notice = el("div", { class: `notice ${fault ? "fault" : "warn"}`, role: fault && "alert", "aria-live": !fault && "polite" },
			el("span", { text }),
			closable && el("button", { class: "btn quiet", text: "Close", on: { click: () => this.clear(key) } }));
		this.#shown.set(key, notice);
		this.#root.append(notice);
	}

	/** Takes away the notice of one key, or all. */
	clear(key) {
		for (const each of key ? [key] : [...this.#shown.keys()]) {
			this.#shown.get(each)?.remove();
			this.#shown.delete(each);
		}
	}

	has(key) { return this.#shown.has(key); }
}
