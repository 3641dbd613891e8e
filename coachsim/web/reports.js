// What the page tells the server of itself: toasts that were on screen, and how far the dialog has been shown. A report
// that does not get through is sent again until the server has it.

export class Report {
	#due = false;
	#running = null;
	#failures = 0;
	#timer = 0;
	#send;
	#on;
	#spread;	/** `send()` does the request with all that is due. `on`: failed(error), done(). Up to `spread` ms are waited first, so
	 * that a message to thousands does not bring thousands of reports in one instant, and they come in batches. */
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

	/** Sends what is due; resolves when the server has answered. */
	now() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		return this.#running ??= this.#run().finally(() => { this.#running = null; });
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
				this.#timer = setTimeout(() => this.now(), Math.min(30_000, 1_000 * 2 ** this.#failures++) * (1 + Math.random()));
				return;
			}
		}
	}
}
