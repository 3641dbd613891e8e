// The agent's page: puts the parts together. What is known is in the inbox; every change of it is drawn from here.

import * as api from "./api.js";
import { Dialog } from "./dialog.js";
import { $, clock, count, setTimeZone } from "./dom.js";
import { Hidden } from "./hidden.js";
import { Inbox } from "./inbox.js";
import { Notices } from "./notices.js";
import { Report } from "./reports.js";
import { StatusMenu } from "./status.js";
import { Tabs } from "./tabs.js";
import { Toasts } from "./toasts.js";
import { Work } from "./work.js";

const WORDS = { logged_in: "logged in", break: "break", logged_out: "logged out" };
const visible = () => document.visibilityState === "visible";

const notices = new Notices($("notices"));
const inbox = new Inbox();
const work = new Work();
const toasted = new Set();         // message ids whose toast has been on screen, on this tab or another
const unreported = new Set();
const remarked = new Set();        // message ids of which 'Not confirmed yet' has been said
let readThrough = 0;
let ahead = 0;                     // floor time minus this browser's clock: practice, or a clock that is wrong
let lastHeard = Date.now();
let lost = 0;                      // the timer until a dropped line is worth a notice
let tabs = null;
let ended = false;

// ---- requests -------------------------------------------------------------------------------------------------------

/** Does `act`; what fails is told in a sentence. Gives its result, or undefined. */
async function attempt(key, act) {
  try {
    const result = await act();
    notices.clear(key);
    return result;
  } catch (error) {
    failed(key, error);
  }
}

function failed(key, error) {
  if (!(error instanceof api.ApiError)) throw error;
  if (error.status === 401) signedOut();
  else notices.show(key, error.message);
}

// A page that thought the agent present when they no longer were is behind: it catches up instead of complaining.
function reportFailed(key) {
  return (error) => (error.code === "not_present" ? refresh() : failed(key, error));
}

let refreshing = null;
let again = null;

/** Fetches everything afresh. `summary`: say what is unread even if none of it is new here. */
function refresh({ summary = false } = {}) {
  if (refreshing) {
    again = { summary: summary || again?.summary };
    return refreshing;
  }
  refreshing = attempt("refresh", () => fetchAll(summary)).finally(() => {
    refreshing = null;
    const next = again;
    again = null;
    if (next) return refresh(next);
  });
  return refreshing;
}

async function fetchAll(summary) {
  inbox.expect();
  const [floor, snapshot] = await Promise.all([api.get("/api/floor"), api.get("/api/inbox")]);
  setTimeZone(floor.time_zone);
  ahead = Date.parse(floor.now) - Date.now();
  toasts.seconds = floor.toast_seconds;
  dialog.cleared(floor.clear_down);
  $("practice").hidden = floor.mode !== "practice";
  $("practice").textContent = `PRACTICE ×${floor.speed}`;
  wantSummary ||= summary;
  inbox.load(snapshot);
  return true;
}

// ---- parts ----------------------------------------------------------------------------------------------------------

const toasts = new Toasts($("toasts"), {
  allowed: (toast) => visible() && !dialog.open && (toast.anyState ? inbox.present : inbox.state === "logged_in"),
  open: (cameFrom) => openDialog(cameFrom?.isConnected ? cameFrom : $("status-button")),
  dismissed: (key) => tabs?.say({ kind: "dismissed", key }),
  shown(messageIds) {
    for (const id of messageIds) {
      if (!toasted.has(id)) unreported.add(id);
      toasted.add(id);
    }
    tabs?.say({ kind: "toasted", messageIds });
    if (unreported.size) toastReport.due();
  },
});

const toastReport = new Report(async () => {
  const ids = [...unreported].slice(0, 1000);
  if (!ids.length) return;
  try {
    await api.post("/api/inbox/toasts", { message_ids: ids });
  } catch (error) {
    if (!error.temporary) for (const id of ids) unreported.delete(id);
    throw error;
  }
  for (const id of ids) unreported.delete(id);
}, { failed: reportFailed("toasts"), done: () => notices.clear("toasts") }, 400);

const readReport = new Report(async () => {
  const { read } = await api.post("/api/inbox/open", { through: readThrough });
  inbox.nowRead(read);
}, { failed: reportFailed("read"), done: () => notices.clear("read") });

const dialog = new Dialog({
  root: $("dialog"), list: $("dialog-list"), empty: $("dialog-empty"), scroll: $("dialog-scroll"), below: $("dialog-below"),
  count: $("dialog-count"), foot: $("dialog-foot"), close: $("dialog-close"),
}, {
  opened() { toasts.clear(); reportReading(); },
  closed() { remarkUnconfirmed(); toasts.pump(); },
  confirm: (messageId) => attempt("confirm", async () => {
    reportReading();
    await readReport.now();      // the server takes a confirmation only of what has been read
    await api.post("/api/inbox/ack", { message_id: messageId });
    inbox.nowConfirmed(messageId);
  }),
});

const hidden = new Hidden("Agent", { open: () => openDialog($("status-button")) });

const menu = new StatusMenu($("status-button"), $("status-menu"), $("badge"), {
  view: () => openDialog($("status-button")),
  setState: (state, reason) => attempt("state", async () => {
    try {
      inbox.nowIn(await api.put(`/api/agents/${encodeURIComponent(inbox.agent.agent_id)}/state`, { state, reason }));
    } catch (error) {
      if (error.status === 409) refresh();
      throw error;
    }
  }),
  setting: async (name) => {
    const refused = await hidden.toggle(name);
    if (refused) notices.show("setting", refused, { tone: "warn" });
    draw();
  },
  signOut: () => attempt("sign-out", async () => {
    await api.post("/logout");
    leave("/login");
  }),
  leaveSeat: api.seat && (() => attempt("seat", async () => {
    await api.del(`/api/seats/${encodeURIComponent(api.seat)}`);
    leave("/");
  })),
});

// ---- reading --------------------------------------------------------------------------------------------------------

function openDialog(opener) {
  if (!ended && inbox.present) dialog.show(inbox.messages, opener);
}

// Read is what the dialog shows while the page is visible: told at opening, at every arrival, and when a hidden tab with
// its dialog open comes into view.
function reportReading() {
  if (!dialog.open || !visible() || ended) return;
  if (!inbox.unread.some((message) => message.seq <= dialog.through)) return;
  readThrough = dialog.through;
  readReport.due();
}

function remarkUnconfirmed() {
  const open = inbox.messages.filter((message) => message.ack_required && !message.acknowledged_at);
  const fresh = open.filter((message) => !remarked.has(message.message_id));
  if (!fresh.length || ended) return;
  for (const message of fresh) remarked.add(message.message_id);
  toasts.remark("unconfirmed", "Not confirmed yet", `${count(open.length, "message")} ${open.length === 1 ? "asks" : "ask"} you to confirm.`);
}

// ---- what changed, and what that shows ------------------------------------------------------------------------------

let wantSummary = false;

inbox.watch((change) => {
  if (change.kind === "arrived") arrived(change.message);
  if (change.kind === "state") entered(change.was);
  if (change.kind === "loaded") loaded(change);
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

function entered(was) {
  if (inbox.state !== "logged_in") toasts.clear();
  if (!inbox.present) dialog.close();
  if (was === "logged_out") refresh({ summary: true });      // the stream brought no messages while logged out
  else if (inbox.state === "logged_in" && was === "break") summarise();
}

function loaded({ was, fresh }) {
  if (inbox.state !== "logged_in") toasts.clear();
  if (!inbox.present) dialog.close();
  if (wantSummary || was !== inbox.state || fresh.length) summarise();
  wantSummary = false;
}

function summarise() {
  if (inbox.state === "logged_in" && inbox.unread.length && !(dialog.open && visible())) toasts.summary(inbox.unread);
}

function draw() {
  const { agent, state, reason, since, unread } = inbox;
  if (!agent) return;
  const shown = inbox.present ? unread.length : 0;
  $("who").replaceChildren(agent.name, " · ", agent.team);
  $("state").hidden = false;
  $("state-dot").className = `dot ${state}`;
  $("state-text").textContent = reason ? `${WORDS[state]} · ${reason}` : WORDS[state];
  hidden.title(`Agent · ${agent.name}`, shown);
  menu.update({ state, unread: shown, settings: hidden.settings });
  work.update(state, reason, since ? Date.parse(since) - ahead : Date.now());
  dialog.update(inbox.messages);
  toasts.keep((id) => inbox.isUnread(id), shown);
  toasts.pump();
  reportReading();
}

document.addEventListener("visibilitychange", () => {
  if (ended && visible()) backAgain();
  draw();
});

// Esc closes the dialog from anywhere but a field in which the agent types.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.target.closest?.("input, textarea")) dialog.close();
});

// ---- the line -------------------------------------------------------------------------------------------------------

function connect(agentId) {
  tabs = new Tabs(`coachsim.agent.${agentId}`, {
    address: () => api.address("/api/events", { after: inbox.seen }),
    event: takeEvent,
    line: takeLine,
    said(message) {
      if (message.kind === "toasted") {
        for (const id of message.messageIds) toasted.add(id);
        toasts.shownElsewhere(message.messageIds);
      }
      if (message.kind === "dismissed") toasts.drop(message.key);
      if (message.kind === "signed_out") signedOut();
    },
    async refused() {
      try {
        const me = await api.get("/api/me");
        if (!api.seat && me.agent_id !== agentId) location.reload();     // someone else has signed in, in this browser
        return false;
      } catch (error) {
        if (error.status === 401) signedOut();
        return error.status === 401;
      }
    },
  });
}

function takeEvent(event) {
  lastHeard = Date.now();
  if (event.name === "signed_out") signedOut();
  else if (event.name === "reset") refresh();
  else inbox.take(event);
}

function takeLine(up) {
  clearTimeout(lost);
  if (up) {
    const wasDown = notices.has("offline");
    notices.clear("offline");
    refresh({ summary: wasDown });
    if (unreported.size) toastReport.now();
    reportReading();
    return;
  }
  lost = setTimeout(() => {
    if (ended) return;
    const since = clock(lastHeard + ahead);
    notices.show("offline", `Offline: reconnecting… what you see is from ${since}`, { tone: "warn", closable: false });
  }, 1_500);
}

addEventListener("online", () => tabs?.retry());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// ---- begin and end --------------------------------------------------------------------------------------------------

function leave(path) {
  ended = true;
  tabs?.say({ kind: "signed_out" });
  tabs?.stop();
  location.assign(path);
}

function signedOut() {
  if (ended) return;
  ended = true;
  tabs?.stop();
  inbox.nowIn({ state: "logged_out", reason: null, since: null });
  menu.close(false);
  $("status-button").disabled = true;
  $("state").hidden = true;
  $("away").textContent = "This page is no longer signed in.";
  for (const key of ["offline", "refresh", "state", "read", "toasts", "confirm"]) notices.clear(key);
  notices.show("signed-out", "Signed out.", {
    closable: false, link: { text: "Sign in again", href: `/login?next=${encodeURIComponent(location.pathname + location.search)}` },
  });
}

// Signed in again on another tab: this one may go on.
async function backAgain() {
  try {
    await api.get("/api/me");
    location.reload();
  } catch (error) {
    if (error.status !== 401) failed("signed-out-check", error);
  }
}

async function begin(failures = 0) {
  try {
    const me = await api.get("/api/me");
    const agentId = api.seat ?? me.agent_id;
    if (!agentId) {
      notices.show("begin", "This account has no agent's page.", { closable: false, link: { text: "Go to the start page", href: "/" } });
      $("who").textContent = me.name;
      return;
    }
    connect(agentId);            // listen to the other tabs first: what they relay during the fetch is not missed
    await fetchAll(true);
    notices.clear("begin");
    tabs.start();
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    if (error.status === 401) { signedOut(); return; }
    notices.show("begin", error.message, { closable: false });
    if (error.temporary) setTimeout(() => begin(failures + 1), Math.min(15_000, 1_000 * 2 ** failures) * (0.5 + Math.random()));
  }
}

function broken(reason) {
  notices.show("broken", `Something on this page went wrong (${reason?.message ?? reason}). Reload it if it does not behave.`);
}
addEventListener("error", (event) => broken(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => broken(event.reason));

begin();
