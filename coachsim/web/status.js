// The status menu, top right: a button that is a head and shoulders, or a bell with a count while something is unread.

import { $, count, el } from "./dom.js";

const REASONS = ["Lunch", "Short break", "Training"];

export class StatusMenu {
	#button;
	#menu;
	#on;
	#now = { state: "logged_out", unread: 0, settings: [] };
	#page = "main"; // or "break", the reasons; or "other", a reason of one's own

	/** `on`: view(), setState(state, reason), setting(name), signOut(), leaveSeat() where the page is a seat. */
	constructor(button, menu, on) {
		this.#button = button;
		this.#menu = menu;
		this.#on = on;
		button.addEventListener("click", () => (menu.hidden ? this.#show("main") : this.close()));
		button.addEventListener("keydown", (event) => {
			if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
			event.preventDefault();
			this.#show("main", event.key === "ArrowUp" ? -1 : 0);
		});
		menu.addEventListener("keydown", (event) => this.#key(event));
		for (const elsewhere of ["pointerdown", "focusin"]) {
			document.addEventListener(elsewhere, ({ target }) => { if (!menu.parentNode.contains(target)) this.close(false); });
		}
	}

	/** What the button shows and the menu offers. `settings`: [{name, text, on}]. */
	update(now) {
		const moved = now.state !== this.#now.state;
		const { unread } = this.#now = now;
		this.#button.disabled = false;
		this.#button.classList.toggle("unread", unread > 0);
		this.#button.setAttribute("aria-label", unread ? `Status menu, ${count(unread, "unread message")}` : "Status menu");
		$("badge").hidden = !unread;
		$("badge").textContent = unread > 99 ? "99+" : unread;
		if (!this.#menu.hidden && moved) this.#show("main");
		else this.#count();
	}

	close(giveBackFocus = true) {
		if (this.#menu.hidden) return;
		this.#menu.hidden = true;
		this.#button.setAttribute("aria-expanded", "false");
		if (giveBackFocus) this.#button.focus();
	}

	#show(page, focus = 0) {
		this.#page = page;
		this.#menu.hidden = false;
		this.#button.setAttribute("aria-expanded", "true");
		this.#menu.setAttribute("role", page === "other" ? "group" : "menu");
		this.#menu.setAttribute("aria-label", page === "main" ? "Status" : "Reason for the break");
		this.#menu.replaceChildren(...(page === "main" ? this.#main() : page === "break" ? this.#reasons() : this.#other()));
		this.#count();
		(this.#items.at(focus) ?? this.#menu.querySelector("input")).focus();
	}

	get #items() { return [...this.#menu.querySelectorAll("[role^=menuitem]")]; }

	#main() {
		const { state, settings } = this.#now;
		const end = this.#on.leaveSeat ? this.#item("Give back the seat", this.#on.leaveSeat) : this.#item("Sign out", this.#on.signOut);
		if (state === "logged_out") return [this.#change("Log in", "logged_in"), end];
		const view = this.#item("View coach messages", this.#on.view, { "aria-label": "View coach messages", "aria-describedby": "menu-count" });
		view.append(el("span", { class: "count num", id: "menu-count" }));
		return [
			view, el("hr"),
			state === "break" ? this.#change("Back", "logged_in")
				: this.#entry("Break", () => this.#show("break"), { "aria-haspopup": "menu" }),
			this.#change("Log out", "logged_out"), end, el("hr"),
			...settings.map(({ name, text, on }) =>
				this.#item(text, () => this.#on.setting(name), { role: "menuitemcheckbox", "aria-checked": String(on) })),
		];
	}

	#reasons() {
		return [
			el("p", { class: "muted small", text: "Break: what for?" }),
			...REASONS.map((reason) => this.#change(reason, "break", reason)),
			this.#entry("Other…", () => this.#show("other")), this.#change("No reason", "break"),
		];
	}

	#other() {
		const field = el("input", { id: "reason", maxlength: 25, autocomplete: "off" });
		const start = (event) => {
			event.preventDefault();
			this.close();
			this.#on.setState("break", field.value.trim() || undefined);
		};
		return [el("form", { class: "stack", on: { submit: start } },
			el("div", { class: "field" }, el("label", { for: "reason", text: "Reason" }), field, el("p", { class: "hint", text: "Up to 25 characters" })),
			el("button", { class: "btn primary", text: "Start break" }))];
	}

	#change(text, state, reason) { return this.#item(text, () => this.#on.setState(state, reason)); }

	#item(text, act, attributes) { return this.#entry(text, () => { this.close(); act(); }, attributes); }

	#entry(text, act, attributes) {
		return el("button", { role: "menuitem", tabindex: "-1", ...attributes, on: { click: act } }, el("span", { text }));
	}

	#count() {
		const { unread } = this.#now;
		const badge = $("menu-count");
		badge?.replaceChildren(String(unread), el("span", { class: "sr-only", text: " unread" }));
		badge?.toggleAttribute("hidden", !unread);
	}

	#key(event) {
		const { key } = event;
		const back = { main: null, break: "main", other: "break" }[this.#page];
		if (key === "Escape" || (key === "ArrowLeft" && this.#page === "break")) {
			event.stopPropagation();
			if (back) this.#show(back);
			else this.close();
			return;
		}
		if (this.#page === "other") return;
		if (key === "Tab") { this.close(); return; }
		const items = this.#items;
		const at = items.indexOf(document.activeElement);
		const to = { ArrowDown: items[(at + 1) % items.length], ArrowUp: items.at(at - 1), Home: items[0], End: items.at(-1) }[key];
		if (key === "ArrowRight" && items[at]?.ariaHasPopup) items[at].click();
		if (!to) return;
		event.preventDefault();
		to.focus();
	}
}
