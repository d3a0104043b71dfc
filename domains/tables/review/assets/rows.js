"use strict";
// Tables of any length: only the rows in sight, and some around them, are in the page.

const BLOCK = 100;

function cell(kind, text, scope) {
  const made = document.createElement(kind);
  made.textContent = text;
  made.dir = "auto";
  if (scope) made.scope = scope;
  else made.title = text;
  return made;
}

class VirtualTable {
  constructor(place) {
    this.place = place;
    this.choose = place.dataset.choose === "yes";
    this.text = "";
    this.height = 34;
    this.table = document.createElement("table");
    this.head = this.table.createTHead();
    this.main = this.table.createTBody();
    this.note = document.createElement("p");
    this.note.className = "empty";
    place.append(this.note, this.table);
    place.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()));
    addEventListener("resize", () => this.draw());
    this.restart("");
  }

  restart(text) {
    this.text = text;
    this.blocks = new Map();
    this.waiting = new Set();
    this.total = null;
    this.place.scrollTop = 0;
    this.note.hidden = false;
    this.note.textContent = "Loading rows …";
    this.place.setAttribute("aria-busy", "true");
    this.load(0);
  }

  async load(block) {
    if (this.blocks.has(block) || this.waiting.has(block)) return;
    this.waiting.add(block);
    const asked = this.text;
    const query = new URLSearchParams({ start: block * BLOCK, count: BLOCK, text: asked });
    if (this.place.dataset.within) query.set("within_set", this.place.dataset.within);
    try {
      const answer = await fetch(`/api/rows?${query}`, { credentials: "same-origin" });
      const shown = await answer.json();
      if (!answer.ok) throw new Error(shown.error);
      if (asked !== this.text) return;
      this.waiting.delete(block);
      this.blocks.set(block, shown.rows);
      if (this.total === null) this.begin(shown);
      this.draw();
    } catch (error) {
      this.waiting.delete(block);
      this.place.removeAttribute("aria-busy");
      this.note.hidden = false;
      this.note.textContent = `The rows could not be loaded (${error.message}). `;
      const again = document.createElement("button");
      again.type = "button";
      again.textContent = "Try again";
      again.addEventListener("click", () => this.restart(this.text));
      this.note.append(again);
    }
  }

  begin(shown) {
    this.total = shown.total;
    this.columns = shown.columns;
    this.place.removeAttribute("aria-busy");
    this.note.textContent = shown.total ? "" : "No rows hold this text.";
    this.note.hidden = Boolean(shown.total);
    this.table.hidden = !shown.total;
    this.table.setAttribute("aria-rowcount", shown.total + 1);
    const line = document.createElement("tr");
    for (const name of [...(this.choose ? ["Choose"] : []), "Source", "Set", ...this.columns]) line.append(cell("th", name, "col"));
    this.head.replaceChildren(line);
    const found = document.getElementById("found");
    if (found) found.textContent = `${shown.total.toLocaleString("en")} rows`;
  }

  draw() {
    if (!this.total) return;
    const first = Math.max(0, Math.floor(this.place.scrollTop / this.height) - 20);
    const last = Math.min(this.total, first + Math.ceil(this.place.clientHeight / this.height) + 40);
    for (let block = Math.floor(first / BLOCK); block * BLOCK < last; block += 1) this.load(block);
    const lines = [this.spacer(first)];
    for (let i = first; i < last; i += 1) {
      const row = (this.blocks.get(Math.floor(i / BLOCK)) || [])[i % BLOCK];
      lines.push(row ? this.line(row, i) : this.blank(i));
    }
    lines.push(this.spacer(this.total - last));
    const held = document.activeElement && document.activeElement.value;
    this.main.replaceChildren(...lines);
    const whole = this.main.querySelector("tr[data-row]");
    const measured = whole && whole.getBoundingClientRect().height;
    if (measured && Math.abs(measured - this.height) > 0.5) {
      const top = this.place.scrollTop * measured / this.height;
      this.height = measured;
      this.draw();
      this.place.scrollTop = top;
      return;
    }
    document.dispatchEvent(new Event("rows-shown"));
    const again = held && this.main.querySelector(`input[value="${CSS.escape(held)}"]`);
    if (again) again.focus({ preventScroll: true });
  }

  spacer(count) {
    const line = document.createElement("tr");
    line.className = "spacer";
    line.setAttribute("aria-hidden", "true");
    const made = line.insertCell();
    made.colSpan = this.columns.length + 3;
    made.style.height = `${count * this.height}px`;
    return line;
  }

  blank(i) {
    const line = document.createElement("tr");
    line.setAttribute("aria-rowindex", i + 2);
    const made = cell("td", "…");
    made.colSpan = this.columns.length + 3;
    line.append(made);
    return line;
  }

  line(row, i) {
    const line = document.createElement("tr");
    line.setAttribute("aria-rowindex", i + 2);
    line.dataset.row = row.row;
    if (this.choose) {
      line.draggable = true;
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = row.row;
      box.setAttribute("aria-label", `Choose row ${row.row}, ${row.source} row ${row.number}`);
      line.insertCell().append(box);
    }
    const source = cell("th", `${row.source} row ${row.number}`, "row");
    const badge = document.createElement("span");
    badge.className = `source s${row.colour}`;
    badge.textContent = source.textContent;
    source.replaceChildren(badge);
    line.append(source);
    const link = document.createElement("a");
    link.href = `/set/${row.set}`;
    link.textContent = row.set;
    line.insertCell().append(link);
    for (const name of this.columns) line.append(cell("td", row.cells[name]));
    return line;
  }
}

const tables = [...document.querySelectorAll(".virtual")].map((place) => new VirtualTable(place));
const search = document.getElementById("search");
if (search) {
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => tables.forEach((table) => table.restart(search.value.trim())), 200);
  });
}
