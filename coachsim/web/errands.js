// What the page asks or tells the server until it gets through: all afresh, toasts that were on screen, how far one read.

import { pause } from "./dom.js";

export class Errand {
	#due = false;
	#running = null;
	#failures = 0;
	#timer = 0;
	#send;
	#on;
	#spread;

	/** `send()` does all that is due. `on`: failed(error), done(). It waits up to `spread` ms first: thousands
	 * do not all report at once, and each in batches. */
	constructor(send, on, spread = 0) {
		this.#send = send;
		this.#on = on;
		this.#spread = spread;
	}

	due() {
		this.#due = true;
		if (!this.#spread) this.now();
		else if (!this.#running) this.#timer ||= setTimeout(() => this.now(), Math.random() * this.#spread);
	}

	/** Does what is due; resolves when the server has answered. */
	now() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		return this.#running ??= this.#run().finally(() => {
			this.#running = null;
			if (this.#due && !this.#timer) this.now();
		});
	}

	async #run() {
		while (this.#due) {
			this.#due = false;
			try {
				await this.#send();
				this.#failures = 0;
				this.#on.done();
			} catch (error) {
				this.#on.failed(error);
				if (!error.temporary) continue;
				this.#due = true;
				this.#timer = setTimeout(() => this.now(), pause(this.#failures++, 1_000, 15_000));
				return;
			}
		}
	}
}
