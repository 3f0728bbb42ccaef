// The editor of profiles: numbers of lines, mistakes while one types, completions. The page works without it.
"use strict";

const text = document.getElementById("text");
const gutter = document.querySelector(".gutter");
const mistakes = document.getElementById("mistakes");
const list = document.getElementById("completions");

// What the server says of what is typed.
async function ask(what, fields) {
  const answer = await fetch("/profiles/" + what, { method: "POST", body: new URLSearchParams(fields) });
  return answer.ok ? answer.json() : null;
}

// Numbers beside the lines; those with a mistake are marked.
function number(wrong) {
  const lines = text.value.split("\n").length;
  gutter.replaceChildren();
  for (let n = 1; n <= lines; n += 1) {
    const line = document.createElement("span");
    line.textContent = n + "\n";
    line.className = wrong.has(n) ? "wrong" : "";
    gutter.append(line);
  }
  gutter.scrollTop = text.scrollTop;
}

// The last answer counts, also when an earlier one comes later.
let asked = 0;
async function check() {
  const mine = ++asked;
  const checked = await ask("check", { text: text.value });
  if (!checked || mine !== asked) return;
  number(new Set(checked.mistakes.map((mistake) => mistake.line)));
  const said = document.createElement(checked.mistakes.length ? "ul" : "p");
  if (!checked.mistakes.length) {
    said.className = "good";
    said.textContent = mistakes.dataset.right + ".";
  }
  for (const { line, column, what } of checked.mistakes) {
    const item = document.createElement("li");
    const where = document.createElement("button");
    where.type = "button";
    where.className = "small";
    where.textContent = mistakes.dataset.line + " " + (line ?? 1);
    where.addEventListener("click", () => goTo(line ?? 1, column ?? 1));
    item.append(where, " " + what);
    said.append(item);
  }
  mistakes.replaceChildren(said);
}

// Lines and columns count characters, from 1.
function goTo(line, column) {
  const lines = text.value.split("\n").slice(0, line - 1);
  const at = lines.reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
  text.focus();
  text.setSelectionRange(at, at);
}

function place() {
  const before = text.value.slice(0, text.selectionStart).split("\n");
  return { line: before.length, column: [...before.at(-1)].length + 1 };
}

// Completions: Ctrl+Space asks for them, arrows choose, Enter takes, Escape leaves.
let offered = [];
let chosen = 0;

function close() {
  list.hidden = true;
  offered = [];
}

function draw() {
  list.replaceChildren();
  offered.forEach((one, n) => {
    const item = document.createElement("li");
    item.id = "completion-" + n;
    item.role = "option";
    item.ariaSelected = n === chosen;
    const meaning = document.createElement("small");
    meaning.textContent = " " + one.meaning;
    item.append(one.text, meaning);
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      take(n);
    });
    list.append(item);
  });
  list.hidden = offered.length === 0;
  text.setAttribute("aria-activedescendant", list.hidden ? "" : "completion-" + chosen);
  list.children[chosen]?.scrollIntoView({ block: "nearest" });
}

function take(n) {
  const { text: word, instead_of } = offered[n];
  const before = [...text.value.slice(0, text.selectionStart)];
  const from = before.slice(0, before.length - instead_of).join("").length;
  text.setRangeText(word, from, text.selectionStart, "end");
  close();
  typed();
}

async function complete() {
  const { line, column } = place();
  offered = (await ask("complete", { text: text.value, line, column })) ?? [];
  chosen = 0;
  draw();
}

let waiting = 0;
function typed() {
  number(new Set());
  clearTimeout(waiting);
  waiting = setTimeout(check, 400);
}

if (text) {
  number(new Set());
  text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
  text.addEventListener("input", () => {
    typed();
    if (!list.hidden) complete();
  });
  text.addEventListener("blur", close);
  text.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === " ") {
      event.preventDefault();
      complete();
    } else if (list.hidden) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
      draw();
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      take(chosen);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
}
