// Small helpers for elements and times. Text is only ever inserted as text.

export const visible = () => document.visibilityState === "visible";
export const $ = (id) => document.getElementById(id);

/** A new element. `props`: class, text, on: {event: handler}; anything else is an attribute. Falsy ones are left out. */
export function el(tag, props = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(props)) {
		if (name === "text") node.textContent = value;
		else if (name === "on") for (const [type, handler] of Object.entries(value)) node.addEventListener(type, handler);
		else if (value) node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.filter(Boolean));
	return node;
}

let zone;

/** From now on times are told in the floor's time zone. */
export function setTimeZone(timeZone) { zone = timeZone; }

/** "10:42" on the floor, for an ISO time or milliseconds. */
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });

/** "04:12", in minutes and seconds. */
export function stopwatch(milliseconds) {
	const seconds = Math.max(0, Math.floor(milliseconds / 1000));
	return [Math.floor(seconds / 60), seconds % 60].map((n) => String(n).padStart(2, "0")).join(":");
}

/** How long to wait before trying again: longer each time, and differing from page to page. */
export const pause = (failures, least, most) => Math.min(most, least * 2 ** failures) * (0.5 + Math.random());

/** "1 unread message", "3 unread messages". */
export const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
