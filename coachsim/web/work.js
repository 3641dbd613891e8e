// A stand-in for the agent's own screen: a call that goes on and notes being taken, which coach messages must not disturb.

import { $, stopwatch } from "./dom.js";

const CALLERS = ["Mrs Lindqvist · renewal", "Mr Adeyemi · change of address", "Ms Novak · invoice", "Mr Okafor · new contract", "Mrs Duarte · delivery date"];
const KEEP = "coachsim.agent.work";

export class Work {
  #now = null;
  #call;

  constructor() {
    this.#call = JSON.parse(sessionStorage.getItem(KEEP) ?? "null");
    const notes = $("notes");
    notes.value = sessionStorage.getItem(`${KEEP}.notes`) ?? "";
    notes.addEventListener("input", () => sessionStorage.setItem(`${KEEP}.notes`, notes.value));
    setInterval(() => this.#tick(), 1000);
  }

  /** `since` is when the state began, in this browser's milliseconds. */
  update(state, reason, since) {
    const entered = this.#now?.state !== state;
    this.#now = { state, since };
    const there = state !== "logged_out";
    for (const id of ["call", "notes-card", "stand-in"]) $(id).hidden = !there;
    $("away").hidden = there;
    $("away").textContent = "You are logged out. Choose Log in in the status menu, top right, to start.";
    if (state === "logged_in" && (entered || !this.#call)) this.#take();
    if (state === "logged_out") { this.#call = null; sessionStorage.removeItem(KEEP); }
    $("call").classList.toggle("paused", state === "break");
    $("call-title").textContent = state === "break" ? "On a break" : "On a call";
    $("call-who").textContent = state === "break" ? reason ?? "no calls until you are back" : this.#call?.caller ?? "";
    this.#tick();
  }

  // A reload in the middle of a call does not end it; coming back from a break begins another.
  #take() {
    const kept = this.#call;
    if (kept?.open) return;
    const next = ((kept?.number ?? -1) + 1) % CALLERS.length;
    this.#call = { number: next, caller: CALLERS[next], began: Date.now(), open: true };
    this.#keep();
  }

  #keep() { sessionStorage.setItem(KEEP, JSON.stringify(this.#call)); }

  #tick() {
    if (!this.#now || this.#now.state === "logged_out") return;
    if (this.#now.state === "break" && this.#call?.open) { this.#call.open = false; this.#keep(); }
    const began = this.#now.state === "break" ? this.#now.since : this.#call?.began;
    $("call-time").textContent = stopwatch(Date.now() - (began ?? Date.now()));
  }
}
