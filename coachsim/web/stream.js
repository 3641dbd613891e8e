// The line to the server: an EventSource that is watched, and reopened until the agent signs out.

import { pause } from "./dom.js";

export const SILENCE = 40_000; // the server beats every 15 s: this much silence means that the line is dead
const EVENTS = ["message", "state", "read", "acknowledged", "expired", "cleared", "reset", "signed_out", "heartbeat", "floor"];

export class Stream {
	#source = null;
	#timer = 0;
	#wanted = false;
	#failures = 0;
	#heard = 0;
	#on;

	/** `on`: address(), event({id, name, data}), line(up), refused() → promise of true to give up. */
	constructor(on) { this.#on = on; }

	open() {
		this.#wanted = true;
		this.#drop();
		const source = this.#source = new EventSource(this.#on.address());
		this.#heard = Date.now();
		for (const name of EVENTS) source.addEventListener(name, (frame) => this.#receive(name, frame));
		source.onerror = () => this.#lost(source.readyState === EventSource.CLOSED);
		this.#timer = setInterval(() => { if (Date.now() - this.#heard > SILENCE) this.#lost(false); }, 5_000);
	}

	close() {
		this.#wanted = false;
		this.#drop();
	}

	/** Now, without waiting out the pause. */
	retry() { if (this.#wanted && !this.#source) this.open(); }

	#drop() {
		clearTimeout(this.#timer); // an interval too: the two share their numbers
		this.#source?.close();
		this.#source = null;
	}

	#receive(name, frame) {
		this.#heard = Date.now();
		this.#failures = 0;
		this.#on.line(true);
		const event = { id: Number(frame.lastEventId) || 0, name, data: frame.data ? JSON.parse(frame.data) : {} };
		if (name === "signed_out") this.close();
		this.#on.event(event);
	}

	// Reopened by ourselves, not by EventSource: after a pause that grows and differs from page to page, so that thousands
	// do not meet a restarted server at once, and from the last id that any tab has seen.
	#lost(refused) {
		this.#drop();
		this.#on.line(false);
		this.#timer = setTimeout(async () => {
			if (refused && await this.#on.refused()) return;
			this.retry();
		}, pause(this.#failures++, 500, 15_000));
	}
}
