// What a hidden tab may do if the agent wants it: a sound, a desktop notification.

const wants = (name) => localStorage.getItem(`coachsim.agent.${name}`) === "on";
const allowed = () => window.Notification?.permission === "granted";

export class Hidden {
	#sound = null;
	#open;

	constructor(open) {
		this.#open = open;
		// Browsers let a page sound only once it has been touched.
		for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, () => { if (wants("sound")) this.#wake(); });
	}

	/** For the menu. */
	get settings() {
		return [
			{ name: "sound", text: "Sound when hidden", on: wants("sound") },
			{ name: "desktop", text: "Desktop notifications", on: wants("desktop") && allowed() },
		];
	}

	/** Turns a setting over. Gives a sentence if the browser does not allow it. */
	async toggle(name) {
		const on = !this.settings.find((setting) => setting.name === name).on;
		if (on && name === "desktop" && await window.Notification?.requestPermission() !== "granted") {
			return "Notifications are blocked. Allow them in the browser's settings.";
		}
		localStorage.setItem(`coachsim.agent.${name}`, on ? "on" : "off");
		if (on && name === "sound") this.#beep();
	}

	/** A message came and no tab of this agent is visible. */
	tell(message) {
		if (wants("sound")) this.#beep();
		if (!wants("desktop") || !allowed()) return;
		const note = new Notification(message.sender, { body: message.body, tag: `coach-${message.message_id}` });
		note.onclick = () => { window.focus(); note.close(); this.#open(); };
	}

	#wake() {
		this.#sound ??= new AudioContext();
		return this.#sound.resume();
	}

	async #beep() {
		await this.#wake();
		const start = this.#sound.currentTime;
		const tone = new OscillatorNode(this.#sound, { frequency: 740 });
		const volume = new GainNode(this.#sound, { gain: 0 });
		volume.gain.linearRampToValueAtTime(0.12, start + 0.03);
		volume.gain.linearRampToValueAtTime(0, start + 0.3);
		tone.connect(volume).connect(this.#sound.destination);
		tone.start();
		tone.stop(start + 0.35);
	}
}
