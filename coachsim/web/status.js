// The status menu, top right: a button that is a head and shoulders, or a bell with a count while something is unread.

import { count, el } from "./dom.js";

const REASONS = ["Lunch", "Short break", "Training", "Meeting"];

export class StatusMenu {
  #button;
  #menu;
  #badge;
  #on;
  #now = { state: "logged_out", unread: 0, settings: [] };
  #page = "main";

  /** `on`: view(), setState(state, reason), signOut(), setting(name), leaveSeat() or null. */
  constructor(button, menu, badge, on) {
    this.#button = button;
    this.#menu = menu;
    this.#badge = badge;
    this.#on = on;
    button.addEventListener("click", () => (this.open ? this.close() : this.#show("main")));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      this.#show("main", event.key === "ArrowUp");
    });
    menu.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", (event) => {
      if (this.open && !menu.contains(event.target) && !button.contains(event.target)) this.close(false);
    });
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget) && event.relatedTarget !== button) this.close(false);
    });
  }

  get open() { return !this.#menu.hidden; }

  /** What the button shows and the menu offers. `settings`: [{name, text, on}]. */
  update(now) {
    const changed = now.state !== this.#now.state;
    this.#now = now;
    const bell = now.unread > 0 && now.state !== "logged_out";
    this.#button.disabled = false;
    this.#button.classList.toggle("unread", bell);
    this.#button.setAttribute("aria-label", bell ? `Status menu, ${count(now.unread, "unread message")}` : "Status menu");
    this.#badge.hidden = !bell;
    this.#badge.textContent = now.unread > 99 ? "99+" : now.unread;
    if (!this.open) return;
    if (changed) this.#show("main");
    else this.#count();
  }

  close(giveBackFocus = true) {
    if (!this.open) return;
    this.#menu.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (giveBackFocus) this.#button.focus();
  }

  #show(page, last = false) {
    this.#page = page;
    this.#menu.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    if (page === "other") this.#drawOther();
    else {
      this.#menu.setAttribute("role", "menu");
      this.#menu.setAttribute("aria-label", page === "break" ? "Break: reason" : "Status");
      this.#menu.replaceChildren(...(page === "break" ? this.#breakItems() : this.#mainItems()));
      this.#items.at(last ? -1 : 0).focus();
    }
  }

  get #items() { return [...this.#menu.querySelectorAll("[role^=menuitem]")]; }

  #mainItems() {
    const { state } = this.#now;
    const there = state !== "logged_out";
    const items = [];
    if (there) {
      const view = this.#item("View coach messages", () => this.#leave(() => this.#on.view()));
      view.setAttribute("aria-describedby", "menu-unread");
      view.append(el("span", { class: "count", id: "menu-unread" }));
      items.push(view, el("div", { class: "line", role: "separator" }));
    }
    if (state === "logged_out") items.push(this.#item("Log in", () => this.#to("logged_in")));
    if (state === "logged_in") items.push(this.#item("Break", () => this.#show("break"), { "aria-haspopup": "menu" }));
    if (state === "break") items.push(this.#item("Back", () => this.#to("logged_in")));
    if (there) items.push(this.#item("Log out", () => this.#to("logged_out")));
    if (this.#on.leaveSeat) items.push(this.#item("Give back the seat", () => this.#leave(() => this.#on.leaveSeat())));
    else items.push(this.#item("Sign out", () => this.#leave(() => this.#on.signOut())));
    if (there) {
      items.push(el("div", { class: "line", role: "separator" }));
      for (const { name, text, on } of this.#now.settings) {
        items.push(this.#item(text, () => this.#leave(() => this.#on.setting(name)), { role: "menuitemcheckbox", "aria-checked": String(on) }));
      }
    }
    queueMicrotask(() => this.#count());
    return items;
  }

  #breakItems() {
    return [
      el("div", { class: "menu-title muted small", role: "presentation", text: "Break: what for?" }),
      ...REASONS.map((reason) => this.#item(reason, () => this.#to("break", reason))),
      this.#item("Other…", () => this.#show("other")),
      this.#item("No reason", () => this.#to("break")),
    ];
  }

  #drawOther() {
    const field = el("input", { id: "break-reason", maxlength: 25, autocomplete: "off" });
    this.#menu.setAttribute("role", "group");
    this.#menu.setAttribute("aria-label", "Break: reason");
    this.#menu.replaceChildren(el("form", {
      class: "stack", on: { submit: (event) => { event.preventDefault(); this.#to("break", field.value.trim() || undefined); } },
    },
    el("div", { class: "field" }, el("label", { for: "break-reason", text: "Reason" }), field, el("p", { class: "hint", text: "Up to 25 characters." })),
    el("button", { class: "btn primary", text: "Start break" })));
    field.focus();
  }

  #item(text, act, attributes = {}) {
    return el("button", { role: "menuitem", type: "button", tabindex: -1, ...attributes, on: { click: act } }, el("span", { text }));
  }

  #count() {
    const badge = this.#menu.querySelector("#menu-unread");
    if (!badge) return;
    badge.hidden = !this.#now.unread;
    badge.replaceChildren(String(this.#now.unread), el("span", { class: "sr-only", text: " unread" }));
  }

  #to(state, reason) { this.#leave(() => this.#on.setState(state, reason)); }
  #leave(act) { this.close(); act(); }

  #key(event) {
    const { key } = event;
    if (key === "Escape") {
      event.stopPropagation();
      if (this.#page === "main") this.close(); else this.#show(this.#page === "other" ? "break" : "main");
      return;
    }
    if (key === "Tab" && this.#page !== "other") { this.close(); return; }
    const items = this.#items;
    if (this.#page === "other" || !items.length) return;
    const at = items.indexOf(document.activeElement);
    const typed = key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && key !== " "
      ? [...items.slice(at + 1), ...items.slice(0, at + 1)].find((item) => item.textContent.toLowerCase().startsWith(key.toLowerCase())) : null;
    const to = { ArrowDown: items[(at + 1) % items.length], ArrowUp: items.at(at <= 0 ? -1 : at - 1), Home: items[0], End: items.at(-1) }[key] ?? typed
      ?? (key === "ArrowRight" && items[at]?.hasAttribute("aria-haspopup") ? items[at] : null);
    if (key === "ArrowLeft" && this.#page === "break") { event.preventDefault(); this.#show("main"); return; }
    if (!to) return;
    event.preventDefault();
    if (key === "ArrowRight") to.click(); else to.focus();
  }
}
