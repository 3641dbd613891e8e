// The dialog 'Coach messages': on top of the page, never in its way. What it shows, while the page is visible, is read.

import { announce, clock, count, el } from "./dom.js";

export class Dialog {
  #parts;
  #on;
  #rows = new Map();
  #new = new Set();              // unread when they came into view; marked so until the dialog closes
  #confirming = new Set();
  #opener = null;
  #through = 0;

  /** `parts`: root, list, empty, scroll, below, count, foot, close. `on`: opened(), closed(), confirm(id) → promise. */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    parts.close.addEventListener("click", () => this.close());
    parts.below.addEventListener("click", () => this.#toEnd());
    parts.scroll.addEventListener("scroll", () => { if (this.#atEnd()) parts.below.hidden = true; }, { passive: true });
    parts.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); this.close(); }
    });
  }

  get open() { return !this.#parts.root.hidden; }

  /** The newest event id among the messages on display: what the page has shown, it may report as read. */
  get through() { return this.#through; }

  /** Opens with `messages`; the focus moves in, and goes back to `opener` at the end. */
  show(messages, opener) {
    if (this.open) { this.#parts.root.focus(); return; }
    this.#opener = opener;
    this.#parts.root.hidden = false;
    this.update(messages);
    const first = messages.find((message) => this.#new.has(message.message_id));
    if (first) this.#rows.get(first.message_id).scrollIntoView({ block: "nearest" });
    else this.#parts.scroll.scrollTop = this.#parts.scroll.scrollHeight;
    this.#parts.root.focus({ preventScroll: true });
    this.#on.opened();
  }

  close() {
    if (!this.open) return;
    const hadFocus = this.#parts.root.contains(document.activeElement);
    this.#parts.root.hidden = true;
    this.#new.clear();
    if (hadFocus || document.activeElement === document.body) this.#opener?.focus();
    this.#on.closed();
  }

  cleared(at) { this.#parts.foot.textContent = `Cleared overnight at ${at}`; }

  /** Draws what changed. Rows stay where they are, and so do the focus and the place one has read to. */
  update(messages) {
    if (!this.open) return;
    const followed = this.#atEnd();
    const unread = messages.filter((message) => !message.read_at);
    const grown = unread.filter((message) => !this.#new.has(message.message_id));
    for (const message of unread) this.#new.add(message.message_id);
    const ids = new Set(messages.map((message) => message.message_id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) { row.remove(); this.#rows.delete(id); }
    let before = null;
    for (const message of messages) {
      const row = this.#row(message);
      const place = before ? before.nextSibling : this.#parts.list.firstChild;
      if (place !== row) this.#parts.list.insertBefore(row, place);
      before = row;
    }
    this.#through = Math.max(0, ...messages.map((message) => message.seq));
    this.#parts.empty.hidden = messages.length > 0;
    this.#parts.count.textContent = messages.length ? `today · ${count(messages.length, "message")}` : "today";
    if (grown.length) this.#grew(grown, followed);
  }

  #grew(grown, followed) {
    const last = grown.at(-1);
    announce(`New message from ${last.sender}: ${last.body}`);
    if (followed) this.#toEnd();
    else if (!this.#atEnd()) {
      this.#parts.below.textContent = `${count(grown.length, "new message")} below`;
      this.#parts.below.hidden = false;
    }
  }

  #atEnd() { const { scrollTop, scrollHeight, clientHeight } = this.#parts.scroll; return scrollHeight - clientHeight - scrollTop < 40; }

  #toEnd() {
    this.#parts.scroll.scrollTop = this.#parts.scroll.scrollHeight;
    this.#parts.below.hidden = true;
  }

  #row(message) {
    const key = JSON.stringify([message.acknowledged_at, message.expired, this.#new.has(message.message_id), this.#confirming.has(message.message_id)]);
    const old = this.#rows.get(message.message_id);
    if (old?.dataset.key === key) return old;
    const row = old ?? el("li", {});
    row.dataset.key = key;
    row.className = this.#new.has(message.message_id) ? "message new" : "message";
    const head = el("div", { class: "message-head" },
      el("time", { class: "num", datetime: message.sent_at, text: clock(message.sent_at) }), el("bdi", { text: message.sender }));
    if (this.#new.has(message.message_id)) head.append(el("span", { class: "tag new", text: "new" }));
    if (message.priority === "urgent") head.append(el("span", { class: "tag urgent", text: "urgent" }));
    if (message.expired) head.append(el("span", { class: "tag", text: `expired ${message.expires_at ? clock(message.expires_at) : ""}`.trim() }));
    else if (message.expires_at) head.append(el("span", { class: "muted", text: `until ${clock(message.expires_at)}` }));
    const focused = row.contains(document.activeElement);
    row.replaceChildren(head, el("p", { class: "message-body", dir: "auto", text: message.body }));
    if (message.ack_required) row.append(this.#confirmation(message));
    if (focused) (row.querySelector("button:not(:disabled)") ?? this.#parts.root).focus({ preventScroll: true });
    this.#rows.set(message.message_id, row);
    return row;
  }

  #confirmation(message) {
    if (message.acknowledged_at) {
      return el("p", { class: "confirmed", text: `Confirmed ${clock(message.acknowledged_at)}` });
    }
    const busy = this.#confirming.has(message.message_id);
    return el("div", { class: "row" },
      el("button", { class: "btn", type: "button", text: "Confirm", disabled: busy, on: { click: () => this.#confirm(message) } }),
      el("span", { class: "muted small", text: busy ? "confirming…" : "asked to confirm" }));
  }

  async #confirm(message) {
    this.#confirming.add(message.message_id);
    this.#row(message);
    try {
      await this.#on.confirm(message.message_id);
    } finally {
      this.#confirming.delete(message.message_id);
      this.#row(message);
    }
  }
}
