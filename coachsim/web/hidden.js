// What a tab does while nobody looks at it: the count in its title and, if the agent wants it, a sound or a notification.

const KEEP = "coachsim.agent.";

export class Hidden {
  #title;
  #sound = null;
  #on;

  /** `on`: open(), when a notification is clicked. */
  constructor(title, on) {
    this.#title = title;
    this.#on = on;
    // Browsers let a page sound only after the person has touched it.
    addEventListener("pointerdown", () => this.#wake());
    addEventListener("keydown", () => this.#wake());
  }

  /** For the menu. */
  get settings() {
    return [
      { name: "sound", text: "Sound when this tab is hidden", on: this.#wants("sound") },
      { name: "desktop", text: "Desktop notifications", on: this.#wants("desktop") && window.Notification?.permission === "granted" },
    ];
  }

  /** Turns a setting over. Gives a sentence if the browser does not allow it, else null. */
  async toggle(name) {
    const on = !this.settings.find((setting) => setting.name === name).on;
    if (on && name === "desktop" && await window.Notification?.requestPermission() !== "granted") {
      return "This browser does not allow desktop notifications here. Allow them in its settings for this site.";
    }
    localStorage.setItem(KEEP + name, on ? "on" : "off");
    if (on && name === "sound") { this.#wake(); this.#beep(); }
    return null;
  }

  title(text, unread) {
    this.#title = text;
    document.title = unread && document.visibilityState === "hidden" ? `(${unread}) ${text}` : text;
  }

  /** A message came and no tab of this agent is visible. */
  tell(message) {
    if (this.#wants("sound")) this.#beep();
    if (!this.#wants("desktop") || window.Notification?.permission !== "granted") return;
    const note = new Notification(message.sender, { body: message.body, tag: `coach-${message.message_id}` });
    note.onclick = () => { window.focus(); note.close(); this.#on.open(); };
  }

  #wants(name) { return localStorage.getItem(KEEP + name) === "on"; }

  #wake() {
    if (!this.#wants("sound") || !window.AudioContext) return;
    this.#sound ??= new AudioContext();
    this.#sound.resume();
  }

  #beep() {
    if (this.#sound?.state !== "running") return;
    const start = this.#sound.currentTime;
    for (const [pitch, after] of [[660, 0], [880, 0.14]]) {
      const tone = new OscillatorNode(this.#sound, { frequency: pitch });
      const volume = new GainNode(this.#sound, { gain: 0 });
      volume.gain.linearRampToValueAtTime(0.12, start + after + 0.02);
      volume.gain.linearRampToValueAtTime(0, start + after + 0.2);
      tone.connect(volume).connect(this.#sound.destination);
      tone.start(start + after);
      tone.stop(start + after + 0.25);
    }
  }
}
