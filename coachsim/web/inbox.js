// What the page knows: the agent's state and the day's messages. Snapshots and events go in; watchers are told.

const unread = (message) => !message.read_at && !message.expired;

export class Inbox {
	agent = null;
	state = "logged_out";
	reason = null;
	since = null;
	seen = 0; // the newest event id in here: a stream starts after it
	#messages = new Map();
	#held = null; // events since a snapshot was asked for, which may not have them
	#watchers = [];

	/** `watcher({kind, …})`: "loaded" (was, fresh), "arrived" (message), "state" (was) or "changed". */
	watch(watcher) { this.#watchers.push(watcher); }
	#tell(change) { if (change) for (const watcher of this.#watchers) watcher(change); }

	get present() { return this.state !== "logged_out"; }
	get messages() { return [...this.#messages.values()].sort((a, b) => a.message_id - b.message_id); }
	get unread() { return this.messages.filter(unread); }
	isUnread(messageId) { return this.unread.some((message) => message.message_id === messageId); }

	/** Before asking for a snapshot: what arrives meanwhile is laid over it. */
	expect() { this.#held ??= []; }

	/** A fresh answer of GET /api/inbox takes the place of all that was here. */
	load(snapshot) {
		const known = new Set(this.#messages.keys());
		const was = this.state;
		const { agent, state, reason, since, as_of: seen } = snapshot;
		Object.assign(this, { agent, state, reason, since, seen });
		this.#messages = new Map(snapshot.messages.map((message) => [message.message_id, message]));
		for (const event of this.#held ?? []) if (event.id > seen) this.#apply(event), this.seen = event.id;
		this.#held = null;
		this.#tell({ kind: "loaded", was, fresh: was !== this.state || this.unread.some(({ message_id }) => !known.has(message_id)) });
	}

	/** One event of the stream, perhaps by way of another tab; one that is in here already does nothing. */
	take(event) {
		if (event.id <= this.seen) return;
		this.#held?.push(event);
		this.seen = event.id;
		this.#tell(this.#apply(event));
	}

	/** What the answer to a request says already, before the stream does. */
	nowIn({ state, reason, since }) { this.#tell(this.#setState({ state, reason, since })); }
	nowRead(messageIds) { this.#tell(this.#read(messageIds, new Date().toISOString())); }
	nowConfirmed(messageId) {
		if (this.#messages.get(messageId)?.acknowledged_at) return; // the stream was first, with the floor's time
		this.#tell(this.#change(messageId, { acknowledged_at: new Date().toISOString() }));
	}

	#apply({ name, data }) {
		switch (name) {
			case "message": return this.#arrived(data);
			case "state": return this.#setState(data);
			case "read": return this.#read(data.message_ids, data.read_at);
			case "acknowledged": return this.#change(data.message_id, { acknowledged_at: data.acknowledged_at });
			case "expired": return this.#expired(data.message_id);
			case "cleared": this.#messages.clear(); return { kind: "changed" };
			default: return null; // heartbeats, and what a newer server may add
		}
	}

	#arrived(data) {
		if (this.#messages.has(data.message_id)) return null;
		const message = { expired: false, notified_at: null, read_at: null, acknowledged_at: null, ...data };
		this.#messages.set(message.message_id, message);
		return { kind: "arrived", message };
	}

	#setState({ state, reason, since }) {
		const was = this.state;
		if (was === state && this.reason === (reason ?? null)) return null;
		Object.assign(this, { state, reason: reason ?? null, since });
		if (state === "logged_out") this.#messages.clear();
		return { kind: "state", was };
	}

	#read(messageIds, readAt) {
		for (const id of messageIds) {
			const message = this.#messages.get(id);
			if (message) message.read_at ??= readAt;
		}
		return messageIds.length ? { kind: "changed" } : null;
	}

	#change(messageId, values) {
		const message = this.#messages.get(messageId);
		if (!message) return null;
		Object.assign(message, values);
		return { kind: "changed" };
	}

	#expired(messageId) {
		const message = this.#messages.get(messageId);
		if (!message) return null;
		if (message.read_at) message.expired = true;
		else this.#messages.delete(messageId);
		return { kind: "changed" };
	}
}
