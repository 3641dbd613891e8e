// Toasts: bottom right, three at once, the rest waits its turn. Showing one is reported; missing one is not reading.

import { clock, count, el } from "./dom.js";

const AT_ONCE = 3;
const STEP = 200;

export class Toasts {
  seconds = 8;
  #root;
  #on;
  #queue = [];
  #shown = [];
  #held = false;
  #ticking = 0;
  #cameFrom = null;

  /** `on`: allowed(toast) → may it show now; open(opener); shown(messageIds); dismissed(key). */
  constructor(root, on) {
    this.#root = root;
    this.#on = on;
    root.addEventListener("pointerenter", () => { this.#held = true; });
    root.addEventListener("pointerleave", () => { this.#held = root.contains(document.activeElement); });
    root.addEventListener("focusin", (event) => {
      if (!root.contains(event.relatedTarget)) this.#cameFrom = event.relatedTarget;
      this.#held = true;
    });
    root.addEventListener("focusout", (event) => { this.#held = root.contains(event.relatedTarget) || root.matches(":hover"); });
    root.addEventListener("keydown", (event) => {
      const toast = this.#shown.find(({ node }) => node.contains(event.target));
      if (event.key === "Escape" && toast) { event.stopPropagation(); this.#dismiss(toast); }
    });
  }

  /** A message that has just come. */
  message(message) {
    this.#offer({
      key: message.message_id, message, urgent: message.priority === "urgent",
      from: message.sender, at: clock(message.sent_at), text: message.body,
      mark: message.priority === "urgent" ? "urgent" : message.ack_required ? "asks you to confirm" : "",
    });
  }

  /** One for all that is unread; what waited its turn is in it. */
  summary(unread) {
    this.#queue = this.#queue.filter((toast) => !toast.message);
    this.drop("summary");
    this.#offer({ key: "summary", from: "Coach messages", text: count(unread, "unread message") });
  }

  /** A remark of the page's own. */
  remark(key, from, text) {
    this.drop(key);
    this.#offer({ key, from, text, anyState: true });
  }

  /** Whether this message is on the screen or waits for it. */
  has(key) { return [...this.#shown, ...this.#queue].some((toast) => toast.key === key); }

  /** Keep only toasts of messages that are still unread; the summary follows the count. */
  keep(isUnread, unread) {
    for (const toast of [...this.#shown, ...this.#queue]) {
      if (toast.message && !isUnread(toast.key)) this.drop(toast.key);
    }
    const summary = this.#shown.find((toast) => toast.key === "summary") ?? this.#queue.find((toast) => toast.key === "summary");
    if (!summary) return;
    summary.text = count(unread, "unread message");
    if (!unread) this.drop("summary");
    else if (summary.node) summary.node.querySelector("p").textContent = summary.text;
  }

  /** Shown on another tab: not once more here, if it has not been yet. */
  shownElsewhere(keys) { this.#queue = this.#queue.filter((toast) => !keys.includes(toast.key)); }

  drop(key) {
    this.#queue = this.#queue.filter((toast) => toast.key !== key);
    for (const toast of this.#shown.filter((toast) => toast.key === key)) this.#remove(toast);
  }

  clear() {
    this.#queue = [];
    for (const toast of [...this.#shown]) this.#remove(toast);
  }

  /** Shows what may be shown now. Call it whenever that may have changed. */
  pump() {
    const now = [];
    while (this.#shown.length < AT_ONCE) {
      const next = this.#queue.findIndex((toast) => this.#on.allowed(toast));
      if (next < 0) break;
      const [toast] = this.#queue.splice(next, 1);
      this.#show(toast);
      if (toast.message) now.push(toast.key);
    }
    if (now.length) this.#on.shown(now);
  }

  #offer(toast) {
    if (this.has(toast.key)) return;
    const next = toast.urgent ? this.#queue.findIndex((other) => !other.urgent) : -1;
    this.#queue.splice(next < 0 ? this.#queue.length : next, 0, toast);
    this.pump();
  }

  #show(toast) {
    toast.left = toast.urgent ? Infinity : this.seconds * 1000;
    const text = el("p", { class: "toast-text", dir: "auto" });
    const title = el("div", { class: "toast-from" });
    toast.node = el("article", { class: toast.urgent ? "toast urgent" : "toast", role: toast.urgent ? "alert" : "status", "aria-atomic": "true" },
      title, text,
      el("div", { class: "row" },
        el("button", { class: "toast-button open", type: "button", text: "Open", on: { click: () => this.#open(toast) } }),
        el("button", { class: "toast-button", type: "button", text: "Dismiss", on: { click: () => this.#dismiss(toast) } })));
    this.#shown.push(toast);
    this.#root.append(toast.node);
    // Screen readers announce what changes inside a region that is there already.
    setTimeout(() => {
      title.append(el("bdi", { text: toast.from }), toast.at ? ` · ${toast.at}` : "");
      if (toast.mark) title.append(" · ", el("strong", { text: toast.mark }));
      text.textContent = toast.text;
    }, 20);
    this.#ticking ||= setInterval(() => this.#tick(), STEP);
  }

  #tick() {
    if (this.#held || document.visibilityState !== "visible") return;
    for (const toast of [...this.#shown]) {
      toast.left -= STEP;
      if (toast.left <= 0) this.#remove(toast);
    }
  }

  #open(toast) {
    const from = this.#cameFrom;
    this.drop(toast.key);
    this.#on.open(from);
  }

  #dismiss(toast) {
    const index = this.#shown.indexOf(toast);
    this.#remove(toast);
    this.#on.dismissed(toast.key);
    const next = this.#shown[Math.min(index, this.#shown.length - 1)];
    if (document.activeElement === document.body) (next?.node.querySelector("button") ?? this.#cameFrom)?.focus();
  }

  #remove(toast) {
    this.#shown = this.#shown.filter((other) => other !== toast);
    toast.node.remove();
    if (!this.#shown.length) {
      clearInterval(this.#ticking);
      this.#ticking = 0;
    }
    if (!this.#root.matches(":hover") && !this.#root.contains(document.activeElement)) this.#held = false;
    this.pump();
  }
}
