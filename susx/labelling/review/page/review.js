// The page: views, keys, answers. An answer is shown as given only after the server has it on the disk.
import { picker } from "./picker.js";
import { create, percent, shown, update } from "./tiles.js";

const $ = (id) => document.getElementById(id);
const PAGE = 60;
const state = { view: "doubt", name: "", order: "doubt", ids: [], tiles: new Map(), drawn: 0, cursor: 0, selected: new Set(), summary: null, seen: "", loading: 0 };

const audit = () => state.view === "audit";

const ask = async (address, body) => {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The review's server does not answer: start it again with susx label review. What was saved is saved.");
  }
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.error || value.detail?.[0]?.msg || `The server answered ${answer.status}.`);
  return value;
};

const trouble = (text) => { $("trouble").textContent = text; $("trouble").hidden = !text; };
const say = (text) => { $("status").textContent = text; };

// ---- what is known of the whole folder

const showSummary = (summary) => {
  state.summary = summary;
  $("progress").max = Math.max(1, summary.tiles);
  $("progress").value = summary.answered;
  $("progress-text").textContent = `${summary.answered.toLocaleString("en")} of ${summary.tiles.toLocaleString("en")} answered`;
  showAccuracy(summary);
  showFit(summary.fit);
  showClasses(summary);
  const button = document.querySelector("nav [data-view=audit]");
  button.textContent = summary.audit ? `Audit ${summary.audit.answered}/${summary.audit.asked}` : "Audit";
};

const showAccuracy = ({ accuracy: { random, chosen }, audit: drawn }) => {
  const lines = [];
  if (random) {
    const strong = document.createElement("b");
    strong.textContent = `${percent(random.right / random.n)} right`;
    const whole = random.everything ? "of all labels" : `of the ${random.of.toLocaleString("en")} audited labels`;
    lines.push(strong, ` ${whole}, ${percent(random.low)} to ${percent(random.high)} (95 %, ${random.n} random images).`);
  } else if (drawn) lines.push("Answer the audit to know how right the labels are.");
  if (chosen.n) lines.push(` ${chosen.right} of ${chosen.n} other answers confirmed the label: not drawn at random, so no measure of the folder.`);
  $("accuracy").replaceChildren(...lines);
};

const showFit = ({ answers, waiting, running, trouble, every, possible }) => {
  const button = $("learn");
  button.disabled = running || !waiting || !possible;
  button.firstChild.textContent = running ? "Learning … " : waiting ? `Learn (${waiting}) ` : "Learn ";
  button.title = `The other labels follow the answers; by themselves after every ${every}.`;
  $("fit").textContent = trouble && waiting ? `The other labels do not follow the answers: ${trouble}` : answers ? `The other labels follow ${answers.toLocaleString("en")} answers.` : "";
  if (running) setTimeout(follow, 200);
};

const showClasses = (summary) => {
  const typed = $("find").value.trim().toLowerCase();
  const rows = summary.classes.filter((row) => row.name.toLowerCase().includes(typed));
  $("classes").replaceChildren(...rows.map((row) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const name = document.createElement("span"), count = document.createElement("span");
    [name.className, count.className] = ["name", "count"];
    name.textContent = row.name;
    count.textContent = `${row.answered}/${row.count}`;
    button.type = "button";
    button.setAttribute("aria-label", `${row.name}: ${row.answered} of ${row.count} answered`);
    button.setAttribute("aria-current", String(row.name === state.name && state.view === "class"));
    if (row.count && row.answered === row.count) item.className = "done";
    button.append(name, count);
    button.addEventListener("click", () => open("class", row.name));
    item.append(button);
    return item;
  }));
  $("class-select").replaceChildren(...summary.classes.map((row) => new Option(`${row.name} (${row.answered}/${row.count})`, row.name, false, row.name === state.name)));
};

// ---- the grid

const HINTS = {
  doubt: "All images without an answer, the most doubtful first.",
  next: "The images whose answers teach most, first.",
  none: "Images that may be none of the classes, and those of which that was said.",
  answered: "What was answered, the last first.",
  audit: "A random sample of the labels. Judge each by itself: is this label right? These answers measure, and correct nothing.",
};

const open = async (view, name = "") => {
  const turn = ++state.loading;
  busy(true);  // until the tiles are there no key is about the tiles of the view before
  if (view === "class" && !name) name = state.name || state.summary.classes.find((row) => row.count)?.name || "";
  Object.assign(state, { view, name: view === "class" ? name : state.name });
  document.querySelectorAll("nav button").forEach((button) => button.setAttribute("aria-current", String(button.dataset.view === view)));
  document.querySelector(".columns").classList.toggle("wide", view !== "class");
  $("class-select-label").hidden = $("order-label").hidden = view !== "class";
  const button = document.querySelector(`nav [data-view=${view}]`);
  button.scrollIntoView({ block: "nearest", inline: "center" });
  $("title").textContent = view === "class" ? name : button.dataset.title || button.textContent;
  $("hint").textContent = HINTS[view] || "";
  for (const action of ["second", "select", "all"]) document.querySelector(`footer [data-do=${action}]`).disabled = audit();
  showClasses(state.summary);
  let ids = [], failed = "";
  try {
    ids = (await ask(`api/view?${new URLSearchParams({ view, name, order: state.order })}`)).ids;
  } catch (error) {
    failed = error.message;
  }
  if (turn !== state.loading) return;
  Object.assign(state, { ids, drawn: 0, cursor: 0, selected: new Set(), tiles: new Map() });
  $("grid").replaceChildren();
  $("empty").hidden = ids.length > 0;
  $("empty").textContent = failed || { doubt: "Every image has an answer.", next: "Every image has an answer.", answered: "Nothing is answered yet.", none: "No image looks like none of the classes." }[view] || "No image has this label.";
  window.scrollTo(0, 0);
  await more();
  const waiting = state.ids.findIndex((id) => state.tiles.get(id) && state.tiles.get(id).answer === null);
  if (turn !== state.loading) return;
  move(Math.max(0, waiting), false);
  busy(false);
  $("grid").focus({ preventScroll: true });
};

const busy = (on) => $("grid").setAttribute("aria-busy", String(on));
const isBusy = () => $("grid").getAttribute("aria-busy") === "true";

let fetching = null;
const more = () => {
  fetching ??= (async () => {
    const some = state.ids.slice(state.drawn, state.drawn + PAGE), turn = state.loading;
    if (some.length) {
      const { tiles } = await ask(`api/tiles?${new URLSearchParams({ ids: some.join(","), audit: audit() })}`);
      if (turn === state.loading) {
        for (const tile of tiles) state.tiles.set(tile.id, tile);
        $("grid").append(...tiles.map((tile) => create(tile, audit())));
        state.drawn += some.length;
      }
    }
  })().catch((error) => trouble(error.message)).finally(() => { fetching = null; });
  return fetching;
};

const element = (id) => $(`tile-${id}`);

const move = (to, scroll = true) => {
  element(state.ids[state.cursor])?.classList.remove("current");
  state.cursor = Math.max(0, Math.min(to, state.ids.length - 1));
  if (state.cursor >= state.drawn - 12 && state.drawn < state.ids.length) more();
  const item = element(state.ids[state.cursor]);
  $("second").firstChild.textContent = "Second ";
  if (!item) return;
  item.classList.add("current");
  $("grid").setAttribute("aria-activedescendant", item.id);
  if (scroll) item.scrollIntoView({ block: "nearest" });
  const tile = state.tiles.get(state.ids[state.cursor]);
  if (tile?.second && !audit()) $("second").firstChild.textContent = `${tile.second.slice(0, 18)} `;
  if ($("zoom").open) zoom();
};

const columns = () => getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;

const select = (id, on) => {
  state.selected[on ? "add" : "delete"](id);
  element(id)?.setAttribute("aria-selected", String(on));
  say(state.selected.size ? `${state.selected.size} selected: an answer is about all of them.` : "");
};

const clear = () => [...state.selected].forEach((id) => select(id, false));

const targets = () => isBusy() ? [] : state.selected.size ? [...state.selected] : state.ids.length ? [state.ids[state.cursor]] : [];

// ---- answers

const applied = (tiles) => {
  for (const tile of tiles) {
    if (!state.tiles.has(tile.id)) continue;
    state.tiles.set(tile.id, tile);
    if (element(tile.id)) update(element(tile.id), tile, audit());
  }
};

const who = () => $("who").value.trim();

/** Say something of the selected images, or of the current one: a label, or what gives the label of a tile. */
const answer = async (label) => {
  const ids = targets();
  if (!ids.length) return;
  const answers = ids.map((id) => ({ id, label: typeof label === "function" ? label(state.tiles.get(id)) : label }));
  ids.forEach((id) => element(id)?.classList.add("saving"));
  say("Saving …");
  const next = state.selected.size ? null : state.ids.findIndex((id, at) => at > state.cursor && state.tiles.get(id)?.answer === null && !ids.includes(id));
  try {
    const { tiles, summary } = await ask("api/answers", { answers, who: who(), audit: audit() });
    trouble("");
    applied(tiles);
    clear();
    showSummary(summary);
    const what = ids.length > 1 ? `${ids.length} images` : shown(answers[0].label);
    say(`Saved: ${what}. ${new Date().toLocaleTimeString()}`);
    if (next !== null) move(next < 0 ? Math.min(state.cursor + 1, state.ids.length - 1) : next);
  } catch (error) {
    ids.forEach((id) => element(id)?.classList.remove("saving"));
    trouble(error.message);
    say("Not saved.");
  }
};

const current = (tile) => tile.answer === null ? tile.label : tile.answer;

const undo = async () => {
  if (isBusy()) return;
  try {
    const { tiles, summary } = await ask("api/undo", { who: who(), audit: audit() });
    trouble("");
    applied(tiles);
    showSummary(summary);
    say(tiles.length ? `Taken back: ${tiles.length === 1 ? shown(current(tiles[0])) + " again" : tiles.length + " images"}.` : "Nothing of yours to take back.");
    const at = tiles.length ? state.ids.indexOf(tiles[0].id) : -1;
    if (at >= 0 && at < state.drawn) move(at);
  } catch (error) {
    trouble(error.message);
  }
};

/** Let the other labels follow the answers. */
const learn = async () => {
  if ($("learn").disabled) return;
  try {
    showSummary((await ask("api/refit", {})).summary);
  } catch (error) {
    trouble(error.message);
  }
};

/** Show the labels of a new fit: tiles where they stand, and what comes after the current one in its new order. */
const renew = async () => {
  const turn = state.loading, ids = [...state.tiles.keys()];
  for (let at = 0; at < ids.length; at += 500) {
    const { tiles } = await ask(`api/tiles?${new URLSearchParams({ ids: ids.slice(at, at + 500).join(",") })}`);
    if (turn !== state.loading) return;
    applied(tiles);
  }
  if (!["next", "doubt"].includes(state.view) || !state.ids.length) return;
  const order = (await ask(`api/view?${new URLSearchParams({ view: state.view, name: "", order: state.order })}`)).ids;
  await fetching;
  if (turn !== state.loading || state.selected.size) return;
  const stay = state.ids.slice(0, state.cursor + 1), there = new Set(stay);
  for (const id of state.ids.slice(state.cursor + 1, state.drawn)) {
    element(id)?.remove();
    state.tiles.delete(id);
  }
  Object.assign(state, { ids: [...stay, ...order.filter((id) => !there.has(id))], drawn: stay.length });
  await more();
};

const pick = picker($("picker"), $("pick"), $("choices"), $("pick-count"));

const correct = () => {
  const ids = targets();
  if (!ids.length) return;
  const near = ids.map((id) => state.tiles.get(id)).filter(Boolean).flatMap((tile) => audit() ? [] : [tile.second, tile.label]);
  pick(state.summary.classes.map((row) => row.name), near, ids.length, answer);
};

const zoom = () => {
  const tile = state.tiles.get(state.ids[state.cursor]);
  if (!tile) return;
  $("zoom-image").src = `large/${tile.id}?${tile.digest}`;
  $("zoom-image").alt = tile.path;
  $("zoom-text").textContent = `${shown(current(tile))} · ${tile.answer === null ? percent(tile.probability) : "answered"} · ${tile.path}`;
  if (!$("zoom").open) $("zoom").showModal();
};

const nextClass = (step) => {
  const names = state.summary.classes.filter((row) => row.count).map((row) => row.name);
  const at = names.indexOf(state.name);
  if (names.length) open("class", names[(at + step + names.length) % names.length]);
};

const selectAll = () => {
  const waiting = state.ids.slice(0, state.drawn).filter((id) => state.tiles.get(id)?.answer === null);
  const on = !waiting.every((id) => state.selected.has(id));
  waiting.forEach((id) => select(id, on));
};

const actions = {
  confirm: () => answer(current),
  correct,
  second: () => {
    if (!audit() && targets().every((id) => state.tiles.get(id)?.second)) answer((tile) => tile.second);
  },
  none: () => answer(""),
  select: () => { const id = state.ids[state.cursor]; if (id !== undefined && !audit()) select(id, !state.selected.has(id)); },
  all: () => { if (!audit()) selectAll(); },
  zoom,
  undo,
  learn,
};

const KEYS = { Enter: "confirm", c: "correct", 2: "second", n: "none", x: "select", a: "all", z: "zoom", " ": "zoom", u: "undo", l: "learn" };

const moved = (key) => ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns(), Home: -1e9, End: 1e9 })[key];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || event.target.matches("input, select")) return;
  const step = moved(event.key), action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (event.target.matches("button, a") && ["Enter", " "].includes(event.key)) return;
  if (step !== undefined) {
    const from = state.cursor;
    if (event.shiftKey && !audit()) select(state.ids[from], true);
    move(Math.min(state.cursor + step, Math.max(0, state.drawn - 1)));
    if (event.shiftKey && !audit()) for (let at = Math.min(from, state.cursor); at <= Math.max(from, state.cursor); at++) select(state.ids[at], true);
  } else if (event.key === "Escape" && !$("zoom").open) clear();
  else if (event.key === "?") $("help").showModal();
  else if (event.key === "[" || event.key === "]") nextClass(event.key === "]" ? 1 : -1);
  else if (action === "zoom" && $("zoom").open) $("zoom").close();
  else if (action) actions[action]();
  else return;
  event.preventDefault();
});

document.querySelectorAll(".actions").forEach((bar) => bar.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  actions[button.dataset.do]();
  if (!["correct", "zoom"].includes(button.dataset.do) && !$("zoom").open) $("grid").focus({ preventScroll: true });
}));

$("grid").addEventListener("click", (event) => {
  const item = event.target.closest(".tile");
  if (!item) return;
  const id = Number(item.dataset.id), at = state.ids.indexOf(id), from = state.cursor, quick = event.target.closest("[data-tile]");
  if (event.shiftKey && !audit()) for (let i = Math.min(from, at); i <= Math.max(from, at); i++) select(state.ids[i], true);
  move(at, false);
  if (quick) {
    if (!state.selected.has(id)) clear();
    actions[quick.dataset.tile]();
  } else if ((event.ctrlKey || event.metaKey) && !audit()) select(id, !state.selected.has(id));
  $("grid").focus({ preventScroll: true });
});
$("grid").addEventListener("dblclick", (event) => { if (event.target.closest(".frame")) zoom(); });

document.querySelectorAll("nav [data-view]").forEach((button) => button.addEventListener("click", () => open(button.dataset.view)));
$("zoom-close").addEventListener("click", () => $("zoom").close());
$("help-button").addEventListener("click", () => $("help").showModal());
$("find").addEventListener("input", () => showClasses(state.summary));
$("class-select").addEventListener("change", (event) => open("class", event.target.value));
$("order").addEventListener("change", (event) => { state.order = event.target.value; open("class", state.name); });
$("size").addEventListener("input", (event) => document.documentElement.style.setProperty("--size", `${event.target.value}px`));
$("who").addEventListener("change", () => localStorage.setItem("susx-who", who()));
new IntersectionObserver((entries) => { if (entries[0].isIntersecting && state.drawn < state.ids.length) more(); }, { rootMargin: "800px" }).observe($("more"));

// ---- theme

const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const named = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
$("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  localStorage.setItem("susx-theme", document.documentElement.dataset.theme);
  named();
});
if (localStorage.getItem("susx-theme")) document.documentElement.dataset.theme = localStorage.getItem("susx-theme");
named();

// ---- what others answer meanwhile

let following = false;
const follow = async () => {
  if (document.visibilityState !== "visible" || !state.summary || following) return;
  following = true;
  try {
    const { version, tiles, asked, summary, refitted } = await ask(`api/changes?${new URLSearchParams({ since: state.seen })}`);
    state.seen = version;
    if (summary) {
      applied(audit() ? asked : tiles);
      showSummary(summary);
      if (refitted && !audit()) await renew();
    } else if (state.summary.fit.running) setTimeout(follow, 200);
  } catch (error) {
    trouble(error.message);
  } finally {
    following = false;
  }
};

const start = async () => {
  const summary = await ask("api/summary");
  $("folder").textContent = summary.folder;
  document.title = `Review of ${summary.folder}`;
  $("toy").hidden = !summary.toy;
  $("who").value = localStorage.getItem("susx-who") || summary.who;
  showSummary(summary);
  state.seen = summary.version;
  if (summary.strangers) say(`${summary.strangers} answers are about images that are not in this folder; they are kept.`);
  await open(summary.audit && summary.audit.answered < summary.audit.asked ? "audit" : "doubt");
  setInterval(follow, 2000);
};

start().catch((error) => trouble(error.message));
