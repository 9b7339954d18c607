// Draws openapi.json. All text goes in as text, never as markup: a contract's words cannot become code.
"use strict";

const byId = (id) => document.getElementById(id);
let api;

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

// `code` and **strong**, paragraphs by empty lines: as much markdown as docstrings use.
const words = (text) => (text || "").split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((word) =>
  word.startsWith("`") ? el("code", {}, word.slice(1, -1)) : word.startsWith("**") ? el("strong", {}, word.slice(2, -2)) : word);
const soft = (...texts) => el("span", { class: "soft" }, ...words(texts.filter(Boolean).join(" · ")));
const prose = (text) => (text || "").trim().split(/\n\s*\n/).filter(Boolean).map((part) => el("p", {}, ...words(part)));

const resolve = (schema) => (schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema) || {};

function typeOf(schema) {
  if (!schema) return "any";
  if (schema.$ref) return el("a", { href: "#schema/" + schema.$ref.split("/").pop() }, schema.$ref.split("/").pop());
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf || schema.oneOf || schema.allOf;
  if (choices) return join(choices.map(typeOf), " | ");
  if (schema.type === "array") return join(["list of ", typeOf(schema.items)], "");
  const kind = [].concat(schema.type || "any").join(" | ");
  return schema.format && schema.format !== "int64" ? schema.format : kind;
}

function join(parts, by) {
  const made = el("span");
  parts.forEach((part, index) => made.append(...(index ? [by, part] : [part])));
  return made;
}

function bounds(schema) {
  const inner = { ...schema, ...((schema.anyOf || []).find((one) => one.type !== "null") || {}) };
  const said = [];
  if ("minimum" in inner || "maximum" in inner) said.push(`${inner.minimum ?? "…"} to ${inner.maximum ?? "…"}`);
  if ("minLength" in inner || "maxLength" in inner) said.push(`${inner.minLength ?? 0} to ${inner.maxLength ?? "…"} characters`);
  if (schema.default != null) said.push(`default ${JSON.stringify(schema.default)}`);
  return said.join(", ");
}

const row = (...cells) => el("tr", {}, ...cells.map((cell) => (cell instanceof Node && cell.tagName === "TD" ? cell : el("td", {}, cell))));

function fields(schema) {
  const { properties = {}, required = [] } = resolve(schema);
  return el("table", {}, ...Object.entries(properties).map(([name, one]) =>
    row(el("code", { class: required.includes(name) ? "must" : null }, name), typeOf(one),
      soft(bounds(one), one.description))));
}

function answers(operation) {
  return el("table", {}, ...Object.entries(operation.responses).map(([status, answer]) => {
    const content = Object.values(answer.content || {})[0];
    const schemas = content ? (content.schema.oneOf || [content.schema]) : [];
    const told = Number(status) < 400
      ? join(schemas.map(typeOf), " | ")
      : el("span", {}, ...schemas.map((one) => el("div", {}, el("code", {}, resolve(one).title), " ", soft(resolve(one).description))));
    const headers = Object.keys(answer.headers || {}).filter((name) => name !== "X-Request-ID").join(", ");
    return row(el("span", { class: "status " + (Number(status) < 400 ? "good" : "bad") }, status), schemas.length ? told : answer.description,
      soft(headers));
  }));
}

function request(path, method, operation, form) {
  const given = new FormData(form);
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  for (const parameter of operation.parameters) {
    const value = given.get(parameter.in + ":" + parameter.name);
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, value ? encodeURIComponent(value) : `{${parameter.name}}`);
    else if (value && parameter.in === "query") query.append(parameter.name, value);
    else if (value && parameter.in === "header") headers[parameter.name] = value;
  }
  const body = operation.requestBody ? given.get("body") : null;
  if (body) headers["Content-Type"] = "application/json";
  const search = query.toString();
  return { url: byId("server").value.replace(/\/$/, "") + target + (search ? "?" + search : ""), method, headers, body: body || undefined };
}

const quoted = (text) => "'" + text.replaceAll("'", `'\\''`) + "'";

function curl(asked) {
  const parts = ["curl -i" + (asked.method === "GET" ? "" : ` -X ${asked.method}`), quoted(asked.url)];
  for (const [name, value] of Object.entries(asked.headers)) parts.push("-H " + quoted(`${name}: ${value}`));
  if (asked.body) parts.push("-d " + quoted(asked.body));
  return parts.join(" \\\n  ");
}

async function send(asked, shown) {
  const began = performance.now();
  shown.replaceChildren(el("p", { class: "soft" }, "Waiting …"));
  try {
    const answer = await fetch(asked.url, { method: asked.method, headers: asked.headers, body: asked.body });
    const text = await answer.text();
    const head = ["etag", "location", "armature-position", "idempotent-replayed", "retry-after", "x-request-id"]
      .filter((name) => answer.headers.get(name)).map((name) => `${name}: ${answer.headers.get(name)}`).join("\n");
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    shown.replaceChildren(
      el("p", {}, el("span", { class: "status " + (answer.ok ? "good" : "bad") }, `${answer.status} ${answer.statusText}`), ` in ${Math.round(performance.now() - began)} ms`),
      el("pre", {}, head + (pretty ? "\n\n" + pretty : "")));
  } catch (error) {
    shown.replaceChildren(el("p", { class: "bad" }, `No answer (${error.message}). A page may call only its own server; for another one use the curl line.`));
  }
}

function tryIt(path, method, operation) {
  const shown = el("div", { "aria-live": "polite" });
  const line = el("pre");
  const inputs = operation.parameters.map((parameter) =>
    row(el("label", { for: `${operation.operationId}/${parameter.in}/${parameter.name}`, class: parameter.required ? "must" : null }, el("code", {}, parameter.name), ` ${parameter.in}`),
      el("input", { id: `${operation.operationId}/${parameter.in}/${parameter.name}`, name: parameter.in + ":" + parameter.name, autocomplete: "off", required: parameter.required,
        placeholder: [parameter.example, bounds(parameter.schema)].find(Boolean) ?? "" }),
      el("td", {}, typeOf(parameter.schema), el("br"), soft(bounds(parameter.schema), parameter.description))));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const form = el("form", {
    oninput: () => { line.textContent = curl(request(path, method, operation, form)); },
    onsubmit: (event) => { event.preventDefault(); send(request(path, method, operation, form), shown); },
  },
    inputs.length ? el("h4", {}, "Parameters") : null, inputs.length ? el("table", {}, ...inputs) : null,
    content ? el("h4", {}, "Body ", typeOf(content.schema)) : null, content ? fields(content.schema) : null,
    content ? el("textarea", { name: "body", "aria-label": "Body", spellcheck: "false" }, JSON.stringify(content.example, null, 2)) : null,
    el("div", { class: "row" }, el("button", { class: "go" }, "Send"), el("button", { type: "button", onclick: (event) => {
      navigator.clipboard.writeText(line.textContent).then(() => { event.target.textContent = "Copied"; }, () => { getSelection().selectAllChildren(line); });
    } }, "Copy curl")), line, shown);
  line.textContent = curl(request(path, method, operation, form));
  byId("server").addEventListener("input", () => form.dispatchEvent(new Event("input")));
  return form;
}

function section(path, verb, operation) {
  const chips = [operation.operationId, operation["x-permission"] && "needs " + operation["x-permission"], operation["x-limit"] && "limit " + operation["x-limit"]];
  const made = el("details", { class: "op " + verb, id: operation.operationId },
    el("summary", {}, el("span", { class: "verb" }, verb.toUpperCase()), el("span", { class: "path" }, path), soft(operation.summary)));
  made.addEventListener("toggle", () => made.append(el("div", { class: "inside" },
    ...chips.filter(Boolean).map((chip) => el("span", { class: "chip" }, chip)), ...prose(operation.description),
    tryIt(path, verb.toUpperCase(), operation), el("h4", {}, "Answers"), answers(operation))), { once: true });
  return made;
}

function draw() {
  for (const id of ["title", "heading"]) byId(id).textContent = api.info.title;
  document.title = api.info.title;
  byId("version").textContent = "v" + api.info.version;
  byId("about").replaceChildren(...prose(api.info.description));
  byId("server").value = new URL(".", location.href).href.replace(/\/$/, "");
  const shown = [];
  for (const tag of api.tags) {
    shown.push(el("h2", { class: "tag" }, tag.name), ...prose(tag.description));
    byId("index").append(el("h2", {}, tag.name));
    for (const [path, verbs] of Object.entries(api.paths)) for (const [verb, operation] of Object.entries(verbs)) {
      if (!operation.tags.includes(tag.name)) continue;
      shown.push(section(path, verb, operation));
      byId("index").append(el("a", { class: verb, href: "#" + operation.operationId, "data-words": `${verb} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase() },
        el("span", { class: "verb" }, verb.toUpperCase()), el("span", {}, operation.operationId.split(".").pop())));
    }
  }
  shown.push(el("h2", { class: "tag" }, "Types"), ...Object.entries(api.components.schemas).map(([name, schema]) =>
    el("details", { class: "op", id: "schema/" + name }, el("summary", {}, el("span", { class: "path" }, name), soft((schema.description || "").split("\n")[0])),
      el("div", { class: "inside" }, fields(schema)))));
  byId("operations").replaceChildren(...shown);
  byId("operations").removeAttribute("aria-busy");
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); target.querySelector("summary").focus({ preventScroll: true }); }
}

byId("filter").addEventListener("input", (event) => {
  const sought = event.target.value.toLowerCase().split(/\s+/);
  for (const link of byId("index").querySelectorAll("a")) link.hidden = !sought.every((word) => link.dataset.words.includes(word));
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); byId("filter").focus(); }
});
addEventListener("hashchange", open);
fetch("openapi.json").then((answer) => answer.json()).then((document_) => { api = document_; draw(); open(); })
  .catch((error) => byId("operations").replaceChildren(el("p", { class: "bad" }, `openapi.json could not be read: ${error.message}`)));
