// What the page tells the server of itself: toasts that were on screen, and how far the dialog has been shown. Both are
// kept until the server has them: a report that does not get through is sent again.

const jitter = (most) => Math.random() * most;

export class Report {
  #pending = false;
  #running = null;
  #failures = 0;
  #timer = 0;
  #send;
  #on;
  #spread;

  /** `send()` does the request with all that is due. `on`: failed(error) and done(). `spread`: up to so many ms are
   * waited first, so that a message to thousands does not bring thousands of reports in one instant, and they batch. */
  constructor(send, on, spread = 0) {
    this.#send = send;
    this.#on = on;
    this.#spread = spread;
  }

  due() {
    this.#pending = true;
    if (this.#running || this.#timer) return;
    if (this.#spread) this.#timer = setTimeout(() => this.now(), jitter(this.#spread));
    else this.now();
  }

  /** Sends what is due; resolves when the server has it, or has refused it. */
  async now() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    while (this.#pending || this.#running) {
      if (!this.#running) {
        this.#pending = false;
        this.#running = this.#attempt().finally(() => { this.#running = null; });
      }
      await this.#running;
      if (this.#timer) return;     // failed for now: the pause goes on without the one who waits
    }
  }

  async #attempt() {
    try {
      await this.#send();
      this.#failures = 0;
      this.#on.done();
    } catch (error) {
      if (!("temporary" in error)) throw error;      // a mistake in this page, not an answer
      this.#on.failed(error);
      if (!error.temporary) return;
      this.#pending = true;
      const pause = Math.min(30_000, 1_000 * 2 ** this.#failures++);
      this.#timer = setTimeout(() => this.now(), pause + jitter(pause));
    }
  }
}
