// An agent's tabs share one stream (browsers allow six per host). The tab that holds a Web Lock leads: it has the stream
// and relays it; when it goes, the lock passes on at once. Without Web Locks (plain http) each tab leads itself.

import { SILENCE, Stream } from "./stream.js";

export class Tabs {
	#name;
	#on;
	#channel = null;
	#stream = null;
	#heard = Date.now();
	#up = null;
	#waiting = null;
	#letGo = null;
	#watch = 0;
	#asked = 0;

	/** `on`: as for Stream, and said(message) for what another tab says. */
	constructor(name, on) {
		this.#name = name;
		this.#on = on;
		if (navigator.locks) {
			this.#channel = new BroadcastChannel(name);
			this.#channel.onmessage = ({ data }) => this.#hear(data);
		}
	}

	get leads() { return this.#stream !== null; }

	start() {
		this.#heard = Date.now();
		if (!this.#channel) { this.#lead(); return; }
		this.#watch = setInterval(() => this.#listen(), 5_000);
		this.#queue();
		this.say({ kind: "line?" });
	}

	stop() {
		clearInterval(this.#watch);
		this.#waiting?.abort();
		this.#waiting = null;
		this.#resign();
	}

	/** To the agent's other tabs. */
	say(message) { this.#channel?.postMessage(message); }

	retry() { this.#stream?.retry(); }

	async #queue(options) {
		this.#waiting?.abort();
		const mine = this.#waiting = new AbortController();
		try {
			await navigator.locks.request(this.#name, options ?? { signal: mine.signal }, () => this.#lead());
		} catch (error) {
			if (error.name !== "AbortError") throw error;
			if (this.#waiting !== mine) return; // stopped, or asked again
			this.#resign(); // another tab had not heard from this one, and took over
			this.#queue();
		}
	}

	#lead() {
		this.#stream = new Stream({
			...this.#on,
			event: (event) => { this.say({ kind: "event", event }); this.#on.event(event); },
			line: (up) => { if (up !== this.#up) this.say({ kind: "line", up }); this.#line(up); },
		});
		this.#stream.open();
		return new Promise((resolve) => { this.#letGo = resolve; });
	}

	#resign() {
		this.#stream?.close();
		this.#stream = null;
		this.#letGo?.();
	}

	#line(up) {
		if (up === this.#up) return;
		this.#up = up;
		this.#on.line(up);
	}

	#hear(message) {
		if (message.kind === "line?") {
			if (this.leads && this.#up !== null) this.say({ kind: "line", up: this.#up });
		} else if (message.kind === "line") {
			if (!this.leads) { this.#heard = Date.now(); this.#line(message.up); }
		} else if (message.kind === "event") {
			this.#heard = Date.now();
			this.#line(true);
			this.#on.event(message.event);
		} else {
			this.#on.said(message);
		}
	}

	// A leader that the browser has frozen keeps the lock and says nothing. Ask; if there is no answer, take its place.
	#listen() {
		if (this.leads || Date.now() - this.#heard < SILENCE) { this.#asked = 0; return; }
		if (this.#asked++ === 0) this.say({ kind: "line?" });
		else if (this.#asked > 2) { this.#asked = 0; this.#line(false); this.#queue({ steal: true }); }
	}
}
