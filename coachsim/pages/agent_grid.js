/* The agent list: filter, search, selection and a virtualised grid. Rows stay here; the kernel sends changes.
   Text only ever enters the page as textContent. Tells the page around it with a `coach-chosen` event. */

const ROW = 32;
const SPARE = 6;
const KINDS = [
  ["campaign", "Campaign", (row) => row.campaigns],
  ["list", "List", (row) => row.lists],
  ["team", "Team", (row) => [row.team]],
  ["queue", "Queue", (row) => row.queues],
  ["state", "State", (row) => [row.state]],
];
const STATES = { logged_in: "logged in", break: "on a break", logged_out: "logged out" };
const KEEP = "coachsim.list";
const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function funnel() {
  const holder = make("span", { class: "cg-icon", "aria-hidden": "true" });
  holder.innerHTML = '<svg viewBox="0 0 16 16" width="14" height="14"><path d="M2 3h12L9.5 8.6V13l-3-1.6V8.6z" ' +
    'fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/></svg>';
  return holder;
}

function since(iso, now) {
  if (!iso || !now) return "";
  const minutes = Math.max(0, Math.floor((now - Date.parse(iso)) / 60000));
  if (minutes < 1) return "just now";
  if (minutes < 180) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} days`;
}

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

class List {
  constructor(model, el) {
    this.model = model;
    this.rows = new Map();
    this.order = [];
    this.items = [];
    this.shown = [];
    this.filter = {};
    this.search = "";
    this.selected = new Set();
    this.active = null;
    this.anchor = null;
    this.loaded = false;
    this.clock = null;
    this.slots = [];
    this.id = `cg${Math.random().toString(36).slice(2, 8)}`;
    this.recall();
    this.build(el);
  }

  /* --- what survives a reload of the page --- */

  recall() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEEP) || "{}");
      for (const [kind] of KINDS) if (Array.isArray(kept.filter?.[kind])) this.filter[kind] = new Set(kept.filter[kind]);
      this.search = String(kept.search || "");
      this.selected = new Set(kept.selected || []);
      const asked = new URLSearchParams(location.search).get("agent");
      if (asked && kept.asked !== asked) this.selected = new Set([asked]);
      this.asked = asked;
    } catch { /* a browser without storage only forgets */ }
  }

  remember() {
    const kept = { filter: this.chosenFilter(), search: this.search, selected: [...this.selected], asked: this.asked };
    try { sessionStorage.setItem(KEEP, JSON.stringify(kept)); } catch { /* as above */ }
  }

  chosenFilter() {
    const given = {};
    for (const [kind] of KINDS) if (this.filter[kind]?.size) given[kind] = [...this.filter[kind]];
    return given;
  }

  /* --- the frame --- */

  build(el) {
    this.button = make("button", {
      class: "cg-filter", type: "button", "aria-expanded": "false", "aria-controls": `${this.id}-panel`,
      onclick: () => this.toggle(),
    }, funnel(), "Filter");
    this.chips = make("div", { class: "cg-chips" });
    this.field = make("input", {
      class: "cg-search", type: "search", placeholder: "Search agents", "aria-label": "Search agents",
      autocomplete: "off", spellcheck: "false", oninput: () => { this.search = this.field.value; this.changed(); },
    });
    this.field.value = this.search;
    this.panel = make("div", {
      class: "cg-panel", id: `${this.id}-panel`, role: "group", "aria-label": "Filter choices", hidden: "",
      onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); this.toggle(false); this.button.focus(); } },
      // It lies on the list: whoever moves on with the keyboard must see where they are.
      onfocusout: ({ relatedTarget: to }) => { if (to && to !== this.button && !this.panel.contains(to)) this.toggle(false); },
    });
    this.body = make("div", { class: "cg-body", role: "rowgroup" });
    const heads = ["", "Agent", "Team", "State", "Since", "Unread"].map((text, at) =>
      make("span", { role: "columnheader", class: `cg-c${at}`, ...(text ? { text } : { "aria-label": "Selected" }) }));
    this.grid = make("div", {
      class: "cg-grid", role: "grid", "aria-label": "Agents", "aria-multiselectable": "true", tabindex: "0",
      onscroll: () => this.draw(), onkeydown: (event) => this.key(event),
    }, make("div", { role: "rowgroup", class: "cg-top" }, make("div", { class: "cg-row cg-head", role: "row", "aria-rowindex": "1" }, ...heads)), this.body);
    this.empty = make("p", { class: "cg-empty", role: "status", text: "connecting …" });
    this.foot = make("div", { class: "cg-foot", role: "status", "aria-live": "polite" });
    this.root = make("section", { class: "cg", "aria-label": "Agent list" },
      make("div", { class: "cg-bar" }, this.button, this.chips, this.field), this.panel, this.grid, this.empty, this.foot);
    el.classList.add("cg-host");
    el.append(this.root);
    this.outside = (event) => { if (!this.panel.hidden && !this.panel.contains(event.target) && !this.button.contains(event.target)) this.toggle(false); };
    document.addEventListener("pointerdown", this.outside);
    this.size = new ResizeObserver(() => this.draw());
    this.size.observe(this.grid);
    this.timer = setInterval(() => this.draw(), 10000);
    // The kernel ends with the page: what is not told by then is remembered by the browser, and there is nobody to tell.
    this.leaving = () => clearTimeout(this.later);
    window.addEventListener("beforeunload", this.leaving);
  }

  stop() {
    this.size.disconnect();
    clearInterval(this.timer);
    document.removeEventListener("pointerdown", this.outside);
    window.removeEventListener("beforeunload", this.leaving);
  }

  now() {
    if (!this.clock) return null;
    const gone = this.clock.paused ? 0 : (performance.now() - this.clock.at) * (this.clock.speed || 1);
    return this.clock.now + gone;
  }

  /* --- data from the kernel --- */

  take(message) {
    const missed = this.heard !== undefined && message.n !== this.heard + 1;
    this.heard = message.n;
    if (message.method === "rows") {
      this.rows = new Map(message.rows.map((cells) => {
        const row = Object.fromEntries(cells.map((cell, at) => [message.columns[at], cell]));
        row.folded = fold(row.name);
        return [row.agent_id, row];
      }));
      this.setClock(message.clock);
      const first = !this.loaded;
      this.loaded = true;
      this.sort();
      if (first) this.reveal(this.items.findIndex((item) => this.selected.has(item.id)));
    } else if (missed && this.loaded) {
      this.model.send({ event: "ready" }); // the line broke for a moment: all rows again, and the clock with them
    } else if (message.method === "clock") {
      this.setClock(message.clock);
      this.soon();
    } else if (message.method === "patch") {
      let resort = message.removed.length > 0;
      for (const id of message.removed) this.rows.delete(id);
      for (const part of message.rows) {
        const row = { ...this.rows.get(part.agent_id), ...part };
        if (row.name === undefined) continue;
        if (part.name !== undefined) { resort = true; row.folded = fold(row.name); }
        this.rows.set(part.agent_id, row);
      }
      if (resort) this.sort();
      else if (this.filter.state?.size) this.changed();
      else { this.soon(); if (!this.panel.hidden) this.fillPanel(); }
    }
  }

  setClock(clock) {
    // Only in the server's own page: in a notebook there is no agent's page to open.
    this.root.classList.toggle("cg-practice", clock.mode === "practice" && document.body.dataset.voila === "voila");
    this.clock = { ...clock, now: Date.parse(clock.now), at: performance.now() };
  }

  sort() {
    this.order = [...this.rows.values()]
      .sort((a, b) => byName(a.team, b.team) || byName(a.name, b.name) || (a.agent_id < b.agent_id ? -1 : 1))
      .map((row) => row.agent_id);
    for (const [kind, , of] of KINDS) {
      if (kind === "state" || !this.filter[kind]) continue;
      const known = new Set([...this.rows.values()].flatMap(of));
      for (const value of this.filter[kind]) if (!known.has(value)) this.filter[kind].delete(value);
    }
    this.changed();
  }

  /* --- which rows are in the list; selections that are no longer shown are dropped --- */

  changed() {
    if (!this.loaded) return;
    const tests = KINDS.filter(([kind]) => this.filter[kind]?.size)
      .map(([kind, , of]) => (row) => of(row).some((value) => this.filter[kind].has(value)));
    const needle = fold(this.search.trim());
    this.shown = this.order.filter((id) => {
      const row = this.rows.get(id);
      return tests.every((test) => test(row)) && (!needle || row.folded.includes(needle));
    });
    const visible = new Set(this.shown);
    for (const id of this.selected) if (!visible.has(id)) this.selected.delete(id);
    this.items = [];
    let heading = null;
    for (const id of this.shown) {
      const { team } = this.rows.get(id);
      if (heading?.team !== team) { heading = { team, ids: [] }; this.items.push(heading); }
      heading.ids.push(id);
      this.items.push({ id });
    }
    if (!this.items.some((item) => item.id === this.active)) this.active = null;
    this.body.style.height = `${this.items.length * ROW}px`;
    this.grid.setAttribute("aria-rowcount", this.items.length + 1);
    this.empty.hidden = this.items.length > 0;
    this.empty.textContent = this.rows.size ? "No agent matches. Remove a filter or change the search." : "There are no agents in your teams yet. An admin loads them from a roster, or gives you other teams.";
    this.fillChips();
    if (!this.panel.hidden) this.fillPanel();
    this.report();
    this.draw();
  }

  report() {
    const selected = this.shown.filter((id) => this.selected.has(id));
    const number = (n) => n.toLocaleString("en");
    this.foot.textContent = `${number(this.shown.length)} of ${number(this.rows.size)} agents in the list` +
      (selected.length ? ` · ${number(selected.length)} selected` : "");
    this.remember();
    const chosen = { selected, filter: this.chosenFilter(), search: this.search.trim() };
    const name = selected.length === 1 ? this.rows.get(selected[0]).name : null;
    this.root.dispatchEvent(new CustomEvent("coach-chosen", {
      bubbles: true, detail: { ...chosen, name, shown: [...this.shown] },
    }));
    clearTimeout(this.later);
    this.later = setTimeout(() => this.model.send({ event: "chosen", ...chosen }), 250);
  }

  /* --- filter choices and chips --- */

  toggle(open = this.panel.hidden) {
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) { this.panel.replaceChildren(); this.fillPanel(); this.panel.querySelector("input")?.focus(); }
  }

  fillPanel() {
    const signature = KINDS.map(([kind, , of]) => {
      const counts = new Map();
      if (kind === "state") for (const state of Object.keys(STATES)) counts.set(state, 0);
      for (const row of this.rows.values()) for (const value of of(row)) counts.set(value, (counts.get(value) || 0) + 1);
      return [kind, counts];
    });
    const wanted = signature.map(([kind, counts]) => [kind, kind === "state" ? [...counts.keys()] : [...counts.keys()].sort(byName)]);
    const key = JSON.stringify(wanted);
    if (this.panel.dataset.key !== key || !this.panel.childElementCount) {
      this.panel.dataset.key = key;
      const sets = wanted.map(([kind, values]) => {
        const [, label] = KINDS.find(([one]) => one === kind);
        const options = values.map((value) => {
          const word = kind === "state" ? STATES[value] : value;
          const box = make("input", { type: "checkbox", "aria-label": word, onchange: () => this.choose(kind, value, box.checked) });
          box.dataset.kind = kind;
          box.dataset.value = value;
          return make("label", {}, box, make("span", { class: "cg-value", text: word, dir: "auto" }), make("span", { class: "cg-n" }));
        });
        return make("fieldset", {}, make("legend", { text: label }), make("div", { class: "cg-options" },
          ...(options.length ? options : [make("p", { text: "none" })])));
      });
      this.panel.replaceChildren(...sets, make("div", { class: "cg-done" },
        make("button", { type: "button", class: "cg-clear", text: "Clear all", onclick: () => { this.filter = {}; this.changed(); } }),
        make("button", { type: "button", class: "cg-clear", text: "Done", onclick: () => { this.toggle(false); this.button.focus(); } })));
    }
    const counts = Object.fromEntries(signature);
    for (const box of this.panel.querySelectorAll("input")) {
      const { kind, value } = box.dataset;
      box.checked = Boolean(this.filter[kind]?.has(value));
      const many = (counts[kind].get(value) || 0).toLocaleString("en");
      box.parentNode.lastChild.textContent = many;
      box.setAttribute("aria-description", `${many} agents`);
    }
  }

  choose(kind, value, on) {
    const values = (this.filter[kind] ||= new Set());
    if (on) values.add(value); else values.delete(value);
    this.changed();
  }

  fillChips() {
    this.chips.replaceChildren(...KINDS.filter(([kind]) => this.filter[kind]?.size).map(([kind, label]) => {
      const values = [...this.filter[kind]].map((value) => (kind === "state" ? STATES[value] : value)).join(", ");
      return make("button", {
        type: "button", class: "cg-chip", "aria-label": `Remove filter ${label}: ${values}`, title: `${label}: ${values}`,
        onclick: () => { this.filter[kind].clear(); this.changed(); this.button.focus(); },
      }, make("span", { text: `${label}: ${values}`, dir: "auto" }), make("span", { "aria-hidden": "true", class: "cg-x", text: "✕" }));
    }));
  }

  /* --- selection --- */

  set(ids, on) {
    for (const id of ids) if (on) this.selected.add(id); else this.selected.delete(id);
    this.report();
    this.draw();
  }

  pick(item, { ctrl, shift }) {
    const ids = item.ids || [item.id];
    if (shift && this.anchor) {
      const from = this.shown.indexOf(this.anchor);
      const to = this.shown.indexOf(ids[ids.length - 1]);
      if (from >= 0 && to >= 0) {
        if (!ctrl) this.selected.clear();
        this.active = item.id || this.active;
        this.set(this.shown.slice(Math.min(from, to), Math.max(from, to) + 1), true);
        return;
      }
    }
    this.active = item.id ?? this.active;
    this.anchor = ids[0];
    if (ctrl) { this.set(ids, !ids.every((id) => this.selected.has(id))); return; }
    this.selected.clear();
    this.set(ids, true);
  }

  key(event) {
    const agents = this.items.map((item, at) => [item, at]).filter(([item]) => item.id);
    if (!agents.length || event.target !== this.grid) return;
    const ctrl = event.ctrlKey || event.metaKey;
    let at = agents.findIndex(([item]) => item.id === this.active);
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 3);
    const steps = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: agents.length - 1, PageDown: at + page, PageUp: at - page };
    if (event.key in steps) {
      at = Math.min(agents.length - 1, Math.max(0, steps[event.key]));
      const [item, index] = agents[at];
      if (event.shiftKey) { this.anchor ||= this.active || item.id; this.pick(item, { ctrl: false, shift: true }); }
      this.active = item.id;
      this.reveal(index);
    } else if (event.key === " " && at >= 0) {
      this.pick(agents[at][0], { ctrl: true, shift: false });
    } else if (event.key === "Enter" && at >= 0) {
      this.pick(agents[at][0], { ctrl: false, shift: false });
    } else if (ctrl && event.key.toLowerCase() === "a") {
      this.set(this.shown, true);
    } else if (event.key === "Escape" && this.selected.size) {
      this.set([...this.selected], false);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /* Scrolls no further than it takes to have the item in view; -1 is none. */
  reveal(index) {
    if (index < 0) return;
    const top = index * ROW, head = ROW;
    if (top < this.grid.scrollTop + ROW) this.grid.scrollTop = Math.max(0, top - ROW);
    else if (top + ROW + head > this.grid.scrollTop + this.grid.clientHeight) this.grid.scrollTop = top + ROW + head - this.grid.clientHeight;
    this.draw();
  }

  /* --- drawing: only the rows in view are in the document, and a row's cells are written only when they differ --- */

  soon() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const height = this.grid.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW) - SPARE);
    const last = Math.min(this.items.length, Math.ceil((this.grid.scrollTop + height) / ROW) + SPARE);
    const wanted = Math.ceil(height / ROW) + 2 * SPARE + 2;
    while (this.slots.length < wanted) this.slots.push(this.slot(this.slots.length));
    const now = this.now();
    const used = new Set();
    for (let at = first; at < last; at++) {
      const slot = this.slots[at % this.slots.length];
      used.add(slot);
      this.write(slot, at, now);
    }
    for (const slot of this.slots) if (!used.has(slot) && !slot.node.hidden) { slot.node.hidden = true; slot.key = ""; slot.item = null; }
    const active = this.slots.find((slot) => slot.item?.id && slot.item.id === this.active);
    if (active) this.grid.setAttribute("aria-activedescendant", active.node.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  slot(at) {
    const slot = { item: null, key: "" };
    const box = make("input", { type: "checkbox", tabindex: "-1" });
    box.addEventListener("click", (event) => {
      event.stopPropagation();
      if (slot.item) this.pick(slot.item, { ctrl: true, shift: event.shiftKey });
      this.grid.focus({ preventScroll: true });
    });
    const cell = (n, ...inside) => make("span", { role: "gridcell", class: `cg-c${n}` }, ...inside);
    const part = (name) => make("span", { class: name });
    const bits = {
      name: make("span", { class: "cg-name", dir: "auto" }), extra: part("cg-count"), team: make("span", { dir: "auto" }),
      seat: make("a", { class: "cg-seat", target: "_blank", tabindex: "-1", text: "take seat", onclick: (event) => event.stopPropagation() }),
      dot: make("span", { class: "cg-dot", "aria-hidden": "true" }), word: part("cg-word"), since: part("cg-since"), unread: part("cg-unread"),
    };
    const node = make("div", {
      class: "cg-row", role: "row", id: `${this.id}-${at}`,
      onclick: (event) => {
        if (slot.item) this.pick(slot.item, { ctrl: event.ctrlKey || event.metaKey || Boolean(slot.item.ids), shift: event.shiftKey });
        this.grid.focus({ preventScroll: true });
      },
      onmousedown: (event) => { if (event.shiftKey) event.preventDefault(); },
    }, cell(0, box), cell(1, bits.name, bits.extra), cell(2, bits.team), cell(3, bits.dot, bits.word), cell(4, bits.since, bits.seat), cell(5, bits.unread));
    this.body.append(node);
    return Object.assign(slot, { node, box, bits });
  }

  write(slot, at, now) {
    const item = this.items[at];
    const row = item.id ? this.rows.get(item.id) : null;
    const chosen = row ? this.selected.has(item.id) : item.ids.filter((id) => this.selected.has(id)).length;
    const key = row
      ? `${at}|${item.id}|${row.name}|${row.team}|${row.state}|${row.reason}|${since(row.since, now)}|${row.unread}|${row.connected}|${chosen}|${item.id === this.active}`
      : `${at}|#${item.team}|${item.ids.length}|${chosen}`;
    slot.item = item;
    if (slot.key === key) return;
    slot.key = key;
    const { node, box, bits } = slot;
    node.hidden = false;
    node.style.transform = `translateY(${at * ROW}px)`;
    node.setAttribute("aria-rowindex", at + 2);
    node.className = `cg-row ${row ? `cg-${row.state}` : "cg-team"}${row && chosen ? " cg-on" : ""}${item.id && item.id === this.active ? " cg-active" : ""}`;
    node.setAttribute("aria-selected", String(row ? chosen : chosen === item.ids.length));
    box.checked = row ? chosen : chosen === item.ids.length;
    box.indeterminate = !row && chosen > 0 && chosen < item.ids.length;
    box.setAttribute("aria-label", row ? `Select ${row.name}` : `Select team ${item.team}`);
    bits.name.textContent = bits.name.title = row ? row.name : item.team;
    bits.extra.textContent = row ? "" : `${item.ids.length.toLocaleString("en")} agent${item.ids.length === 1 ? "" : "s"}`;
    bits.seat.hidden = !row;
    if (row) {
      bits.seat.href = `/agent?seat=${encodeURIComponent(item.id)}`;
      bits.seat.setAttribute("aria-label", `Take seat of ${row.name}`);
    }
    bits.team.textContent = row ? row.team : "";
    const noPage = row && row.state === "logged_in" && !row.connected;
    const more = noPage ? " · no page" : row?.reason ? ` · ${row.reason}` : "";
    // There is no room for more words beside a reason.
    bits.word.textContent = row ? (row.reason ? row.state.replace("_", " ") : STATES[row.state]) + more : "";
    bits.word.title = noPage ? "logged in, but no page is open: told of messages once it is" : row ? STATES[row.state] + more : "";
    node.classList.toggle("cg-nopage", Boolean(noPage));
    bits.since.textContent = row ? since(row.since, now) : "";
    bits.unread.textContent = row && row.unread ? String(row.unread) : "";
    bits.unread.title = row && row.unread ? `${row.unread} unread` : "";
  }
}

export default {
  render({ model, el }) {
    const list = new List(model, el);
    const take = (message) => list.take(message);
    model.on("msg:custom", take);
    model.send({ event: "ready" });
    return () => { model.off("msg:custom", take); list.stop(); };
  },
};
