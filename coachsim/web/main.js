// The agent's page: puts the parts together. What is known is in the inbox; every change of it is drawn from here.

import * as api from "./api.js";
import { Dialog } from "./dialog.js";
import { $, clock, count, el, setTimeZone, visible } from "./dom.js";
import { Errand } from "./errands.js";
import { Hidden } from "./hidden.js";
import { Inbox } from "./inbox.js";
import { Notices } from "./notices.js";
import { StatusMenu } from "./status.js";
import { Tabs } from "./tabs.js";
import { Toasts } from "./toasts.js";
import { Work } from "./work.js";

const WORDS = { logged_in: "logged in", break: "on a break", logged_out: "logged out" };

const notices = new Notices($("notices"));
const inbox = new Inbox();
const work = new Work();
const toasted = new Set(); // ids whose toast has been on screen, on this tab or another
const unreported = new Set();
const remarked = new Set(); // 'Not confirmed yet' was said of these
let readThrough = 0;
let ahead = 0; // floor time minus this browser's clock: practice, or a clock that is wrong
let lastHeard = Date.now();
let lost = 0; // the timer until a dropped line is worth a notice
let wantSummary = false;
let connected = false;
let tabs = null;
let ended = false;

// --- requests ---

/** Does `act`; a failure is told in a sentence, in the place of an earlier one under `key`. */
async function attempt(key, act) {
	try {
		await act();
		notices.clear(key);
	} catch (error) {
		failed(key, error);
	}
}

function failed(key, error) {
	if (!(error instanceof api.ApiError)) throw error;
	if (error.status === 401) signedOut(error);
	else if (!ended) notices.show(key, error.message);
}

// A page that has ended sends nothing. One that wrongly takes the agent for present is behind: it catches up instead of
// complaining.
const errand = (key, send, spread) => new Errand(() => ended || send(), {
	failed: (error) => (error.code === "not_present" ? refresh() : failed(key, error)),
	done: () => notices.clear(key),
}, spread);

/** Fetches everything afresh. `summary`: say what is unread even if none of it is new here. */
function refresh(summary = false) {
	wantSummary ||= summary;
	refreshing.due();
}

const refreshing = errand("refresh", fetchAll);

async function fetchAll() {
	inbox.expect();
	const [floor, snapshot] = await Promise.all([api.get("/api/floor"), api.get("/api/inbox")]);
	if (ended) return;
	setTimeZone(floor.time_zone);
	takePace(floor);
	toasts.seconds = floor.toast_seconds;
	$("dialog-foot").textContent = `Cleared overnight at ${floor.clear_down}`;
	$("practice").hidden = floor.mode !== "practice";
	inbox.load(snapshot);
}

function takePace({ now, speed, paused }) {
	ahead = Date.parse(now) - Date.now();
	$("practice").textContent = `PRACTICE ×${speed}${paused ? " · paused" : ""}`;
}

const seatAddress = `/api/seats/${encodeURIComponent(api.seat)}`;
const takeSeat = () => api.seat && api.post(seatAddress);

// --- parts ---

const toasts = new Toasts($("toasts"), {
	allowed: (toast) => visible() && !dialog.open && (toast.remark ? inbox.present : inbox.state === "logged_in"),
	open: openDialog,
	dismissed: (key) => tabs.say({ kind: "dismissed", key }),
	shown(messageIds) {
		for (const id of messageIds) if (!toasted.has(id)) unreported.add(id);
		tabs.say({ kind: "toasted", messageIds });
		seen(messageIds);
		if (unreported.size) toastReport.due();
	},
});

const seen = (messageIds) => { for (const id of messageIds) toasted.add(id); };

const toastReport = errand("toasts", async () => {
	const ids = [...unreported].slice(0, 1000);
	const forget = () => { for (const id of ids) unreported.delete(id); };
	try {
		if (ids.length) await api.post("/api/inbox/toasts", { message_ids: ids });
	} catch (error) {
		if (!error.temporary) forget();
		throw error;
	}
	forget();
}, 400);

const readReport = errand("read", async () => inbox.nowRead((await api.post("/api/inbox/open", { through: readThrough })).read));

const dialog = new Dialog($("dialog"), {
	opened() { toasts.clear(); reportReading(); },
	closed() { remarkUnconfirmed(); toasts.pump(); },
	confirm: (messageId) => attempt("confirm", async () => {
		reportReading();
		await readReport.now(); // a confirmation is taken only of what has been read
		await api.post("/api/inbox/ack", { message_id: messageId });
		inbox.nowConfirmed(messageId);
	}),
});

const hidden = new Hidden(openDialog);

const menu = new StatusMenu($("status-button"), $("status-menu"), {
	view: openDialog,
	setState: (state, reason) => attempt("state", async () => {
		try {
			inbox.nowIn(await api.put(`/api/agents/${encodeURIComponent(inbox.agent.agent_id)}/state`, { state, reason }));
		} catch (error) {
			if (error.status === 409) refresh();
			throw error;
		}
	}),
	async setting(name) {
		const refused = await hidden.toggle(name);
		if (refused) notices.show("setting", refused);
		draw();
	},
	signOut: () => attempt("sign-out", async () => { await api.post("/logout"); leave("/login"); }),
	leaveSeat: api.seat && (() => attempt("seat", async () => { await api.del(seatAddress); leave("/"); })),
});

// --- reading ---

function openDialog(cameFrom) {
	if (!ended && inbox.present) dialog.show(inbox.messages, cameFrom?.isConnected ? cameFrom : $("status-button"));
}

// Told at opening, at arrivals, and when a hidden tab with its dialog open is seen.
function reportReading() {
	if (!dialog.open || !visible() || !inbox.unread.some((message) => message.seq <= dialog.through)) return;
	readThrough = dialog.through;
	readReport.due();
}

function remarkUnconfirmed() {
	const open = inbox.messages.filter((message) => message.ack_required && !message.acknowledged_at);
	if (open.every((message) => remarked.has(message.message_id))) return;
	for (const message of open) remarked.add(message.message_id);
	toasts.remark("Not confirmed yet", `${count(open.length, "message")} ${open.length === 1 ? "asks" : "ask"} you to confirm.`);
}

// --- what changes show ---

inbox.watch((change) => {
	if (change.kind === "arrived") arrived(change.message);
	if (change.was && change.was !== inbox.state && inbox.state !== "logged_in") toasts.clear();
	if (!inbox.present) dialog.close();
	if (change.kind === "state" && change.was === "logged_out") refresh(true); // no messages were streamed until now
	else if (change.kind === "state" || (change.kind === "loaded" && (wantSummary || change.fresh))) summarise();
	if (change.kind === "loaded") wantSummary = false;
	draw();
});

function arrived(message) {
	if (inbox.state !== "logged_in" || (dialog.open && visible())) return;
	toasts.message(message);
	if (visible() || !tabs.leads) return;
	setTimeout(() => {
		if (!visible() && !toasted.has(message.message_id) && inbox.isUnread(message.message_id)) hidden.tell(message);
	}, 600);
}

function summarise() {
	if (inbox.state === "logged_in" && inbox.unread.length && !(dialog.open && visible())) toasts.summary(inbox.unread.length);
}

function draw() {
	const { agent, state, reason, since, unread } = inbox;
	if (!agent || ended) return;
	$("who").textContent = `${agent.name} · ${agent.team}`;
	$("state").hidden = false;
	$("state-dot").className = `dot ${state}`;
	$("state-text").textContent = reason ? `${state.replace("_", " ")} · ${reason}` : WORDS[state];
	document.title = `${unread.length && !visible() ? `(${unread.length}) ` : ""}Agent · ${agent.name}`;
	menu.update({ state, unread: unread.length, settings: hidden.settings });
	work.update(state, reason, since ? Date.parse(since) - ahead : Date.now());
	dialog.update(inbox.messages);
	toasts.keep((id) => inbox.isUnread(id), unread.length);
	toasts.pump();
	reportReading();
}

document.addEventListener("visibilitychange", draw);

// Esc closes the dialog from anywhere but a field in which the agent types.
document.addEventListener("keydown", (event) => {
	if (event.key === "Escape" && !event.target.closest?.("input, textarea")) dialog.close();
});

// --- the line ---

function connect(agentId) {
	tabs = new Tabs(`coachsim.agent.${agentId}`, {
		address: () => api.address(`/api/events?after=${inbox.seen}`),
		line: takeLine,
		event(event) {
			lastHeard = Date.now();
			if (event.name === "signed_out") signedOut();
			else if (event.name === "reset") refresh();
			else if (event.name === "floor") takePace(event.data);
			else inbox.take(event);
		},
		said({ kind, messageIds, key }) {
			if (kind === "toasted") { seen(messageIds); toasts.shownElsewhere(messageIds); }
			if (kind === "dismissed") toasts.drop(key);
			if (kind === "left") signedOut();
		},
		// The stream was refused: by the sign-in, or by a server begun anew, with all seats free?
		async refused() {
			try {
				const me = await api.get("/api/me");
				if (!api.seat && me.agent_id !== agentId) { ended = true; location.reload(); } // someone else signed in
				await takeSeat();
			} catch (error) {
				if (error.status === 401 || (api.seat && !error.temporary)) signedOut(error);
			}
			return ended;
		},
	});
}

function takeLine(up) {
	clearTimeout(lost);
	if (up) {
		if (connected) refresh(notices.has("offline")); // the first time everything is fresh already
		connected = true;
		notices.clear("offline");
		if (unreported.size) toastReport.due();
	} else {
		lost = setTimeout(() => {
			const text = `Offline: reconnecting… what you see is from ${clock(lastHeard + ahead)}`;
			if (!ended) notices.show("offline", text, { fault: false, closable: false });
		}, 1_500);
	}
}

addEventListener("online", () => tabs?.retry());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// --- begin and end ---

function leave(path) {
	tabs.say({ kind: "left" });
	ended = true;
	tabs.stop();
	location.assign(path);
}

function signedOut(error) {
	if (ended) return;
	inbox.nowIn({ state: "logged_out", reason: null, since: null }); // closes all that others should not see
	ended = true;
	tabs?.stop();
	menu.close(false);
	notices.clear();
	$("status-button").disabled = $("state").hidden = true;
	const away = $("away");
	const again = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
	away.hidden = false;
	away.setAttribute("role", "alert");
	if (!api.seat || error?.status === 401) away.replaceChildren("Signed out. ", el("a", { href: again, text: "Sign in again" }));
	else away.replaceChildren(error?.message ?? "This seat was given back.", " ", el("a", { href: location.href, text: "Take it again" }));
}

async function begin() {
	const me = await api.get("/api/me");
	$("who").textContent = me.name;
	await takeSeat();
	const agentId = api.seat ?? me.agent_id;
	if (!agentId) { notices.show("nobody", "Sign in as an agent to see this page.", { closable: false }); return; }
	if (!tabs) connect(agentId); // first, to miss nothing that another tab relays meanwhile
	wantSummary = true;
	await fetchAll();
	if (!ended) tabs.start();
}

const broken = (reason) => notices.show("broken", `A fault of this page: ${reason?.message ?? reason}. Reload it.`);
addEventListener("error", ({ message }) => broken(message));
addEventListener("unhandledrejection", ({ reason }) => broken(reason));

errand("begin", begin).due();
