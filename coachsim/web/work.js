// A stand-in for the agent's own screen: a call and notes, which coach messages do not disturb.

import { $, stopwatch } from "./dom.js";

const CALLERS = ["Mrs Lindqvist · renewal", "Mr Adeyemi · invoice", "Ms Novak · delivery date"];
const KEEP = "coachsim.agent.notes";

export class Work {
	#state = null;
	#since = 0;
	#call = null;

	constructor() {
		const notes = $("notes");
		notes.value = sessionStorage.getItem(KEEP) ?? "";
		notes.addEventListener("input", () => sessionStorage.setItem(KEEP, notes.value));
		setInterval(() => this.#tick(), 1000);
	}

	/** `since` is when the state began, in this browser's milliseconds. */
	update(state, reason, since) {
		if (state === "logged_in" && (!this.#call || (this.#state && this.#state !== state))) {
			this.#call = { number: ((this.#call?.number ?? -1) + 1) % CALLERS.length, began: Date.now() };
		}
		this.#state = state;
		this.#since = state === "break" ? since : this.#call?.began;
		for (const id of ["call", "notes-card", "stand-in"]) $(id).hidden = state === "logged_out";
		$("away").hidden = state !== "logged_out";
		$("call-title").textContent = state === "break" ? "On a break" : "On a call";
		$("call-who").textContent = state === "break" ? reason ?? "no calls until you are back" : CALLERS[this.#call?.number];
		this.#tick();
	}

	#tick() { $("call-time").textContent = stopwatch(Date.now() - this.#since); }
}
