// Small helpers for making elements and telling times. Text is only ever inserted as text.

export const $ = (id) => document.getElementById(id);

/** A new element. `props`: class, text, on: {event: handler}; anything else is an attribute (false or null: left out). */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "on") for (const [type, handler] of Object.entries(value)) node.addEventListener(type, handler);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

let hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** From now on times are told in the floor's time zone. */
export function setTimeZone(timeZone) {
  hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone });
}

/** "10:42" on the floor, for an ISO time, a Date or milliseconds. */
export const clock = (time) => hours.format(new Date(time));

/** "04:12", or "1:04:12" from an hour on. */
export function stopwatch(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${two(m)}:${two(s)}`;
}

/** "1 unread message", "3 unread messages". */
export const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** A sentence for people with screen readers, where nothing that they have focused changes. */
export function announce(sentence) {
  const region = $("announcer");
  region.textContent = "";
  setTimeout(() => { region.textContent = sentence; }, 50);
}
