"use strict";
// Every decision goes to the server and is on its disk before the page moves on.

const body = document.body;
const say = (text) => { const place = document.getElementById("status"); if (place) place.textContent = text; };
let busy = false;

function fail(text, stale) {
  const place = document.getElementById("problem");
  if (!place) return;
  place.hidden = false;
  place.querySelector("p").textContent = text;
  const reload = document.getElementById("reload");
  reload.hidden = !stale;
  if (stale) reload.focus();
  say("");
}

async function post(address, content) {
  if (busy) return null;
  busy = true;
  body.setAttribute("aria-busy", "true");
  say("Saving …");
  try {
    const answer = await fetch(address, {
      method: "POST", credentials: "same-origin",
      headers: { "content-type": "application/json" }, body: JSON.stringify(content),
    });
    const shown = await answer.json().catch(() => ({ error: `The server answered with ${answer.status}.` }));
    if (answer.ok) return shown;
    fail(`${shown.error} Nothing was changed.`, Boolean(shown.stale));
  } catch {
    fail("The server does not answer, so this was not saved. Start it again; what was saved before is on disk.", false);
  } finally {
    busy = false;
    body.removeAttribute("aria-busy");
  }
  return null;
}

// A message for the page that comes next.
function go(address, text) {
  sessionStorage.setItem("said", text);
  if (address === "reload") location.reload(); else location.assign(address);
}

async function decide(content, then) {
  const answer = await post("/api/decisions", { generation: body.dataset.generation, ...content });
  if (!answer) return;
  const text = `Saved. ${answer.sets} things; ${answer.answered} pairs judged, ${answer.open} open.`;
  if (then === "next") go(answer.next ? `/pair/${answer.next[0]}/${answer.next[1]}` : "/done", text);
  else go("reload", text);
}

async function undo(of) {
  const answer = await post("/api/undo", { generation: body.dataset.generation, ...(of ? { of } : {}) });
  if (!answer) return;
  const what = answer.undone;
  if (!what) { say("There is nothing to undo."); return; }
  const text = `Undone: ${what.kind.replace("_", " ")}.`;
  if (of || !what.rows.length) go("reload", text);
  else if (["pair", "must_link", "cannot_link"].includes(what.kind)) go(`/pair/${what.rows[0]}/${what.rows[1]}`, text);
  else if (what.kind === "value") go(`/conflict/${what.rows[0]}?column=${encodeURIComponent(what.column)}`, text);
  else go(`/set/${what.rows[0]}`, text);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  if (button.dataset.decide) decide(JSON.parse(button.dataset.decide), button.dataset.then);
  else if (button.dataset.undo) undo(button.dataset.undo);
  else if (button.id === "undo") undo();
  else if (button.id === "reload") post("/api/reload", {}).then((done) => done && location.reload());
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target || target.disabled) return;
  event.preventDefault();
  target.click();
});

// Threshold: the curve is in the page, so that the figures follow the slider at once.
const slider = document.getElementById("threshold");
if (slider) {
  const { points, threshold } = JSON.parse(document.getElementById("curve").textContent);
  const use = document.getElementById("use-threshold");
  const show = () => {
    const point = points[slider.value];
    for (const place of document.querySelectorAll("#estimate dd")) {
      const value = point[place.dataset.field];
      place.textContent = place.dataset.field === "threshold" || place.dataset.field === "f1" ? value.toFixed(2) : value.toLocaleString("en");
    }
    slider.setAttribute("aria-valuetext", `${point.threshold}: ${point.sets} things`);
    use.disabled = Math.abs(point.threshold - threshold) < 1e-9;
  };
  const gap = (point) => Math.abs(point.threshold - threshold);
  slider.value = points.reduce((best, point, i) => (gap(point) < gap(points[best]) ? i : best), 0);
  slider.addEventListener("input", show);
  use.addEventListener("click", () => {
    say("Finding sets …");
    decide({ kind: "threshold", threshold: points[slider.value].threshold }, "reload");
  });
  show();
}

// Set: rows are chosen by boxes or dragged; both fill the same list.
const drop = document.getElementById("drop");
if (drop) {
  const all = JSON.parse(document.getElementById("set-rows").textContent);
  const chosen = new Set();
  const split = document.getElementById("split");
  const show = () => {
    document.getElementById("chosen").textContent = chosen.size ? `${[...chosen].sort((a, b) => a - b).join(", ")} (${chosen.size} of ${all.length})` : "nothing chosen";
    split.disabled = chosen.size === 0 || chosen.size === all.length;
    for (const box of document.querySelectorAll("input[type=checkbox][value]")) {
      box.checked = chosen.has(Number(box.value));
      box.closest("tr").classList.toggle("picked", box.checked);
    }
  };
  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[type=checkbox][value]")) return;
    const row = Number(event.target.value);
    if (event.target.checked) chosen.add(row); else chosen.delete(row);
    show();
  });
  document.addEventListener("rows-shown", show);
  document.addEventListener("dragstart", (event) => {
    const line = event.target.closest("tr[data-row]");
    if (line) event.dataTransfer.setData("text/plain", line.dataset.row);
  });
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const row = Number(event.dataTransfer.getData("text/plain"));
    if (all.includes(row)) { chosen.add(row); show(); }
  });
  split.addEventListener("click", () => {
    const rest = all.filter((row) => !chosen.has(row));
    decide({ kind: "split", groups: [rest, all.filter((row) => chosen.has(row))] }, "reload");
  });
  show();
}

const rule = document.getElementById("use-rule");
if (rule) {
  rule.addEventListener("click", () => {
    decide({ kind: "rule", column: rule.dataset.column, rule: document.getElementById("rule-choice").value }, "reload");
  });
}

const said = sessionStorage.getItem("said");
if (said) { sessionStorage.removeItem("said"); say(said); }
