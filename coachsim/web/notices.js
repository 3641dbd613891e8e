// Sentences about the page itself: a request that failed, the line that is down, a session that ended.

import { el } from "./dom.js";

export class Notices {
  #root;
  #shown = new Map();

  constructor(root) { this.#root = root; }

  /** Shows `text` under `key`, in the place of what had that key. `tone`: fault (announced at once) or warn. */
  show(key, text, { tone = "fault", link = null, closable = true } = {}) {
    if (this.#shown.get(key)?.dataset.text === text) return;
    this.clear(key);
    const notice = el("div", { class: `notice ${tone}`, "data-text": text }, el("span", { text }));
    notice.setAttribute(tone === "fault" ? "role" : "aria-live", tone === "fault" ? "alert" : "polite");
    if (link) notice.append(" ", el("a", { href: link.href, text: link.text }));
    if (closable) {
      notice.append(el("button", { class: "btn quiet", type: "button", text: "Close", on: { click: () => this.clear(key) } }));
    }
    this.#shown.set(key, notice);
    this.#root.append(notice);
  }

  clear(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }

  has(key) { return this.#shown.has(key); }
}
