"use strict";
// Labels and sentences come from the server: they are set as text and never read as HTML.

const element = (id) => document.getElementById(id);
const WAYS = {
  "add-parents": ", and with it all of its parents",
  "drop-children": ", unless a parent of it is not decided",
};
let token = "";
let model = null;

async function ask(path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { headers, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const problem = new Error(document.detail || `The server answers with the status ${answer.status}.`);
    problem.status = answer.status;
    throw problem;
  }
  return document;
}

function complain(text) {
  element("problem").textContent = text;
  element("problem").hidden = !text;
}

async function begin() {
  try {
    model = await ask("model");
  } catch (problem) {
    element("about").textContent = "The model is not known yet.";
    element("access").hidden = problem.status !== 401;
    complain(problem.status === 401 && !token ? "" : problem.message);
    if (problem.status === 401) element("token").focus();
    return;
  }
  complain("");
  element("access").hidden = true;
  element("ask").hidden = false;
  const count = Object.keys(model.labels).length;
  element("about").textContent =
    `${model.model.name} decides ${count === 1 ? "1 label" : `${count} labels`} ` +
    `and reads ${model.max_length} tokens at once.`;
  element("coherence").textContent = WAYS[model.coherence] || "";
  element("text").focus();
}

function cell(kind, text, row) {
  const made = document.createElement(kind);
  made.textContent = text;
  row.append(made);
  return made;
}

function addRow(label, result, calibrated) {
  const { threshold, parent } = model.labels[label];
  const has = result.labels.includes(label);
  const row = document.createElement("tr");
  row.className = has ? "has" : "";
  const head = cell("th", label, row);
  head.scope = "row";
  if (parent !== null) {
    const above = document.createElement("span");
    above.className = "parent";
    above.textContent = `under ${parent}`;
    head.append(above);
  }
  cell("td", has ? "yes" : "no", row);
  const probability = cell("td", result.probabilities[label].toFixed(3), row);
  const meter = document.createElement("meter");
  meter.value = result.probabilities[label];
  meter.setAttribute("aria-hidden", "true");
  probability.prepend(meter);
  cell("td", threshold.toFixed(3), row);
  if (calibrated) cell("td", calibrated.probabilities[label].toFixed(3), row);
  element("rows").append(row);
}

function show(result, calibrated) {
  const decided = result.labels.length ? result.labels.join(", ") : "no label";
  element("decided").textContent = `Decided: ${decided}`;
  document.querySelectorAll(".calibrated").forEach((each) => { each.hidden = !calibrated; });
  element("rows").replaceChildren();
  const rank = (label) => [result.labels.includes(label) ? 0 : 1, -result.probabilities[label]];
  const before = (a, b) => rank(a)[0] - rank(b)[0] || rank(a)[1] - rank(b)[1];
  Object.keys(result.probabilities).sort(before).forEach((label) => addRow(label, result, calibrated));
  element("result").hidden = false;
  element("result").focus();
}

async function decide(event) {
  event.preventDefault();
  const body = { texts: [element("text").value] };
  const button = document.querySelector("#ask button");
  button.disabled = true;
  try {
    const asked = [ask("predict", body)];
    if (model.calibrated) asked.push(ask("predict?calibrated=true", body));
    const [raw, calibrated] = await Promise.all(asked);
    if (raw.model.sha256 !== model.model.sha256) model = await ask("model");
    complain("");
    show(raw.results[0], calibrated && calibrated.results[0]);
  } catch (problem) {
    element("result").hidden = true;
    complain(problem.message);
  } finally {
    button.disabled = false;
  }
}

element("ask").addEventListener("submit", decide);
element("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("ask").requestSubmit();
});
element("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = element("token").value.trim();
  begin();
});
begin();
