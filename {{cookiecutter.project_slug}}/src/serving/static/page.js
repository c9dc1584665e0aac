// The form, the prediction and its explanation. Which columns a row has, and what they
// may hold, is read from openapi.json when the page opens; nothing here knows them.
// Whatever comes from the service is put into the page as text, never as HTML.

const LOOK_AGAIN_SECONDS = 5;
const MOST_BARS = 12;
// A column whose effect is this small a part of the largest one is named without a bar.
const LEAST_SHARE = 0.005;

const $ = (id) => document.getElementById(id);
let fields = []; // one for each column, in their order
let typical = {}; // the row that the form begins with
let maxRows = 1; // the longest list that the service takes
let turn = 0; // of the clicks; an answer to an earlier one is not shown

/** Return a new element with properties and children. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Return a number as people read it. */
function readable(number, options = { maximumSignificantDigits: 5 }) {
  return number.toLocaleString(undefined, options);
}

// The form ---------------------------------------------------------------------------

/** Return what the JSON schema of a column allows, whichever way it is written. */
function rulesOf(schema) {
  const options = (schema.anyOf ?? schema.oneOf ?? [schema]).filter(
    (option) => option.type !== "null",
  );
  const rules = Object.assign({}, ...options, schema);
  const types = new Set(options.flatMap((option) => option.type ?? []));
  return { ...rules, types, values: (rules.enum ?? []).filter((v) => v !== null) };
}

/** Return the words for the limits of a number; none if it has none. */
function limitsOf({ minimum, maximum }) {
  if (minimum !== undefined && maximum !== undefined)
    return `${readable(minimum)} to ${readable(maximum)}`;
  if (minimum !== undefined) return `at least ${readable(minimum)}`;
  return maximum === undefined ? "" : `at most ${readable(maximum)}`;
}

/** Return a control for values of some rules: {nodes, fill(value), read()}. */
function controlFor(rules, example, required) {
  const { types } = rules;
  if (types.has("boolean")) {
    const { nodes, fill, read } = choice(["yes", "no"], required, false);
    return {
      nodes,
      fill: (value) => fill(value === null ? null : value ? "yes" : "no"),
      read: () => ({ yes: true, no: false })[read()],
    };
  }
  if (rules.values.length) return choice(rules.values, required, false);
  if (types.has("string")) {
    const known = rules.examples ?? [];
    return known.length > 1 ? choice(known, required, true) : text(example);
  }
  return number(rules);
}

/** Return a control for numbers. */
function number({ types, minimum, maximum }) {
  const input = element("input", { type: "number", inputMode: "decimal" });
  input.step = types.has("number") ? "any" : "1";
  if (minimum !== undefined) input.min = minimum;
  if (maximum !== undefined) input.max = maximum;
  const read = () => (input.value === "" ? undefined : input.valueAsNumber);
  const fill = (value) => (input.value = value ?? "");
  return { nodes: [input], read, fill };
}

/** Return a control for text, or for dates if the example is one. */
function text(example) {
  const input = element("input", { type: "text" });
  if (/^\d{4}-\d\d-\d\d$/.test(example)) input.type = "date";
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.exec(example);
  if (time) Object.assign(input, { type: "datetime-local", step: time[1] ? "1" : "60" });
  // Browsers leave out seconds that are zero, and a format may want them.
  const seconds = (value) => (time?.[1] && value.length === 16 ? ":00" : "");
  const read = () => (input.value ? input.value + seconds(input.value) : undefined);
  const fill = (value) => (input.value = value ?? "");
  return { nodes: [input], read, fill };
}

/** Return a control that offers values, and room for another one if it is open. */
function choice(values, required, open) {
  const select = element("select", {}, ...values.map((v) => new Option(v, v)));
  if (!required) select.prepend(new Option("no value", ""));
  const input = element("input", { type: "text", hidden: true });
  const other = new Option("another value …");
  if (open) select.append(other);
  select.addEventListener("change", () => {
    input.hidden = !other.selected;
    if (other.selected) input.focus();
  });
  const read = () => (input.hidden ? select.value : input.value) || undefined;
  const fill = (value) => {
    const isOther = open && value !== null && !values.includes(value);
    select.value = value ?? "";
    other.selected = isOther;
    input.value = isOther ? value : "";
    input.hidden = !isOther;
  };
  return { nodes: open ? [select, input] : [select], read, fill };
}

/** Return the field of a column: its name, what it means, its control, its problem. */
function fieldFor(name, schema, required, example, number) {
  const rules = rulesOf(schema);
  const control = controlFor(rules, example, required);
  const [id, hintId, problemId] = ["", "-hint", "-problem"].map((s) => `field-${number}${s}`);
  const about = [rules.description?.replace(/\.$/, ""), limitsOf(rules), required ? "" : "may be empty"];
  const hint = about.filter(Boolean).join("; ");
  const problem = element("p", { id: problemId, className: "problem" });
  control.nodes.forEach((node, position) => {
    node.id = position ? `${id}-other` : id;
    node.setAttribute("aria-describedby", `${hintId} ${problemId}`);
    if (position) node.setAttribute("aria-label", `${name}: another value`);
    node.addEventListener("input", () => complain(""));
  });
  const complain = (words) => {
    problem.textContent = words;
    control.nodes.forEach((node) => node.setAttribute("aria-invalid", String(words !== "")));
  };
  const node = element(
    "div",
    { className: "field" },
    element("label", { htmlFor: id, textContent: name }),
    element("p", { id: hintId, className: "hint", textContent: hint }),
    element("div", {}, ...control.nodes),
    problem,
  );
  const focus = () => control.nodes.findLast((input) => !input.hidden).focus();
  const isUnreadable = () => control.nodes.some((input) => input.validity.badInput);
  return { name, node, complain, focus, isUnreadable, read: control.read, fill: control.fill };
}

/** Return the row in the form; a column without a value is left out of it. */
function rowInForm() {
  const entries = fields.map(({ name, read }) => [name, read()]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Make the form from the document that describes the service; false if it cannot. */
function build(openapi) {
  const schema = openapi.components?.schemas?.Row;
  $("title").textContent = document.title = openapi.info?.title ?? "Predictions";
  $("about").textContent = openapi.info?.description ?? "";
  if (!schema?.properties) return false;
  const body = openapi.paths["/v1/predict"].post.requestBody.content["application/json"];
  const example = exampleIn(schema) ?? exampleIn(body) ?? {};
  maxRows = longestList(body.schema, openapi.components.schemas);
  const required = new Set(schema.required ?? []);
  fields = Object.entries(schema.properties).map(([name, rules], number) =>
    fieldFor(name, rules, required.has(name), example[name] ?? null, number),
  );
  $("fields").replaceChildren(...fields.map(({ node }) => node));
  const fillIn = () => fields.forEach(({ name, fill }) => fill(example[name] ?? null));
  fillIn();
  typical = rowInForm();
  $("typical").addEventListener("click", () => {
    fillIn();
    fields.forEach(({ complain }) => complain(""));
  });
  return true;
}

/** Return the example row of a part of the document, if it has one. */
function exampleIn({ example, examples }) {
  const all = Object.values(examples ?? {}).map((one) => one?.value ?? one);
  return [example, ...all].flat().find((one) => one && typeof one === "object");
}

/** Return the most rows that a list may have which the schema of a request allows. */
function longestList(schema, named) {
  const { maxItems, anyOf, oneOf } = schema.$ref ? named[schema.$ref.split("/").at(-1)] : schema;
  const options = anyOf ?? oneOf ?? [];
  return maxItems ?? Math.max(1, ...options.map((option) => longestList(option, named)));
}

// The service ------------------------------------------------------------------------

/** Return the service's answer as {status, headers, content}; status 0 if none came. */
async function ask(path, body, requestId) {
  const headers = { "Content-Type": "application/json" };
  if ($("key").value) headers["X-API-Key"] = $("key").value;
  if (requestId) headers["X-Request-ID"] = requestId;
  const request = body ? { method: "POST", body: JSON.stringify(body), headers } : { headers };
  try {
    const response = await fetch(path, request);
    const content = await response.json().catch(() => ({}));
    return { status: response.status, headers: response.headers, content };
  } catch {
    return { status: 0, headers: new Headers(), content: {} };
  }
}

/** Return in words why there is no prediction. */
function reasonFor({ status, headers, content }) {
  const said = typeof content.detail === "string" ? content.detail : "";
  const again = headers.get("Retry-After");
  if (status === 0) return "The service cannot be reached. Is it running?";
  if (status === 503)
    return `The service cannot answer now${said && `: ${said}`}. Try again${again ? ` in ${again} s` : " later"}.`;
  return `The service answered with status ${status}${said && `: ${said}`}.`;
}

/** Show one sentence, which screen readers read out. */
function say(words, isWrong = false) {
  $("status").replaceChildren(words);
  $("status").className = isWrong ? "wrong" : "";
}

// The prediction ---------------------------------------------------------------------

/** Answer a click: busy until the prediction and its explanation are there. */
async function predict(event) {
  event.preventDefault();
  const mine = ++turn;
  const isCurrent = () => mine === turn;
  $("answer").ariaBusy = "true";
  fields.forEach(({ complain }) => complain(""));
  const unreadable = fields.filter(({ isUnreadable }) => isUnreadable());
  if (unreadable.length)
    refuse(unreadable.map(({ name }) => ({ column: name, problem: "This cannot be read" })));
  else await send(rowInForm(), isCurrent);
  if (isCurrent()) $("answer").ariaBusy = "false";
}

/** Send a row, and show what the service says to it. */
async function send(row, isCurrent) {
  const answer = await ask("v1/predict", row);
  if (!isCurrent()) return;
  $("details").replaceChildren();
  if (answer.status === 200) {
    $("key-field").hidden = true;
    show(answer);
    await explain(row, answer, isCurrent);
  } else if (answer.status === 401) {
    askForKey();
  } else if (answer.status === 422 && Array.isArray(answer.content.detail)) {
    refuse(answer.content.detail);
  } else {
    say(reasonFor(answer), true);
    $("details").append(factsOf(answer));
  }
}

/** Say beside each field what is wrong with it, and lead to the first one. */
function refuse(problems) {
  const elsewhere = problems.filter(({ column, problem }) => {
    const field = fields.find(({ name }) => name === column);
    field?.complain(problem);
    return !field;
  });
  const marked = problems.filter((problem) => !elsewhere.includes(problem));
  const columns = new Set(marked.map(({ column }) => column));
  $("details").replaceChildren(
    ...elsewhere.map(({ column, problem }) =>
      element("p", { textContent: column ? `${column}: ${problem}` : problem }),
    ),
  );
  const many = columns.size === 1 ? "One column needs" : `${columns.size} columns need`;
  say(columns.size ? `${many} another look.` : "The service refuses this row.", true);
  fields.find(({ name }) => columns.has(name))?.focus();
}

/** Ask for an API key, or say that the one given is not right. */
function askForKey() {
  const given = $("key").value;
  const why = given ? "The service does not accept this API key" : "The service wants an API key";
  say(`${why}: enter one, and ask again.`, true);
  $("key-field").hidden = false;
  $("key").focus();
}

/** Show the prediction for a row. */
function show({ headers, content }) {
  const { prediction, probabilities, unknown } = content.predictions[0];
  const isNumber = probabilities === undefined || probabilities === null;
  const words = isNumber ? readable(prediction) : prediction;
  $("status").className = "";
  $("status").replaceChildren("Prediction ", element("b", { className: "headline", textContent: words }));
  const parts = isNumber ? [] : probabilityBars(prediction, probabilities);
  if (unknown?.length) {
    const names = unknown.join(", ");
    parts.push(element("p", { textContent: `Unknown to the model, which treats it as rare: the value of ${names}.` }));
  }
  $("details").append(...parts, factsOf({ headers, content }));
  $("answer").scrollIntoView({ block: "nearest" });
}

/** Return the probabilities of the labels as bars, the highest first. */
function probabilityBars(prediction, probabilities) {
  const sorted = Object.entries(probabilities).sort(([, one], [, other]) => other - one);
  const bars = sorted.slice(0, MOST_BARS).map(([label, share]) => {
    const value = readable(share, { style: "percent", maximumFractionDigits: 1 });
    return bar(label, value, share, label === prediction ? "" : "other");
  });
  const parts = [element("ul", { className: "bars" }, ...bars)];
  if (sorted[0][0] !== prediction) {
    const why = "Another label is more probable, but the model decides at a threshold of its own.";
    parts.push(element("p", { className: "note", textContent: why }));
  }
  return parts;
}

/** Return a line with a name, a value and a bar of a kind that fills a share of its track. */
function bar(name, value, share, kind, note = "") {
  const filled = element("div", { className: `bar ${kind}` });
  filled.style.setProperty("--share", share);
  return element(
    "li",
    {},
    element("span", { className: "name", textContent: name }),
    element("span", { className: "value", textContent: value }),
    element("div", { className: "track" }, filled),
    ...(note ? [element("span", { className: "note", textContent: note })] : []),
  );
}

/** Return who answered, for a question about the answer. */
function factsOf({ headers, content }) {
  const version = content.model_version ?? headers.get("X-Model-Version") ?? "unknown";
  const id = headers.get("X-Request-ID") ?? "unknown";
  return element("p", { className: "note facts", textContent: `Model version ${version} · request ${id}` });
}

// The explanation --------------------------------------------------------------------

/**
 * Show how far each column moves the prediction: compare it with the predictions for
 * the same row with that one column as in the typical row. Nothing is shown if the row
 * is the typical one, if a request fails, or if another model answers it.
 */
async function explain(row, { content, headers }, isCurrent) {
  const { model_version: version, predictions: [given] } = content;
  const columns = fields.map(({ name }) => name).filter((name) => row[name] !== typical[name]);
  const rows = columns.map((name) => ({ ...row, [name]: typical[name] }));
  const answers = [];
  for (let start = 0; start < rows.length; start += maxRows) {
    // With its identifier, so that the same model answers where there are two of them.
    const part = rows.slice(start, start + maxRows);
    const answer = await ask("v1/predict", part, headers.get("X-Request-ID"));
    if (answer.status !== 200 || answer.content.model_version !== version || !isCurrent()) return;
    answers.push(...answer.content.predictions);
  }
  if (!answers.length) return;
  const { prediction: label } = given;
  const value = ({ prediction, probabilities }) => probabilities?.[label] ?? prediction;
  const effects = columns
    .map((name, position) => ({ name, effect: value(given) - value(answers[position]) }))
    .sort((one, other) => Math.abs(other.effect) - Math.abs(one.effect));
  $("details").lastChild.before(...explanation(effects, row, given.probabilities && label));
}

/** Return the effects as bars around a middle, with what they mean in words. */
function explanation(effects, row, label) {
  const largest = Math.abs(effects[0].effect);
  const isShown = ({ effect }) => largest > 0 && Math.abs(effect) > LEAST_SHARE * largest;
  const shown = effects.filter(isShown).slice(0, MOST_BARS);
  const rest = effects.filter((one) => !shown.includes(one)).map(({ name }) => name);
  const what = label ? `the probability of “${label}”` : "the prediction";
  const meaning =
    `By how much ${what} is higher (+) or lower (−) than if that column alone had its ` +
    "typical value. Columns act together, so these need not add up; they show how the model " +
    "works, not what causes what.";
  const bars = shown.map(({ name, effect }) => {
    const amount = label
      ? `${signed(100 * effect, { maximumFractionDigits: 1 })} points`
      : signed(effect, { maximumSignificantDigits: 3 });
    const note = `${worded(row[name])} instead of ${worded(typical[name])}`;
    return bar(name, amount, Math.abs(effect) / largest, effect > 0 ? "more" : "less", note);
  });
  const parts = [
    element("h2", { textContent: "What moves this prediction" }),
    element("p", { className: "note", textContent: meaning }),
    element("ul", { className: "bars", id: "effects" }, ...bars),
  ];
  if (rest.length)
    parts.push(element("p", { className: "note", textContent: `Less or nothing: ${rest.join(", ")}.` }));
  return parts;
}

/** Return a number with its sign. */
function signed(number, options) {
  return (number > 0 ? "+" : "−") + readable(Math.abs(number), options);
}

/** Return the value of a column in words. */
function worded(value) {
  if (value === undefined) return "no value";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? readable(value) : value;
}

// The start --------------------------------------------------------------------------

/** Make the form, as soon as there is a model that says what belongs into it. */
async function start() {
  const answer = await ask("openapi.json");
  if (answer.status === 200 && build(answer.content)) {
    $("form").hidden = false;
    const begin = Object.keys(typical).length ? "The form holds a typical row. Change" : "Fill in";
    say(`${begin} what you know, and ask for a prediction.`);
    return;
  }
  const why = answer.status === 200 ? "The service has no model yet." : reasonFor(answer);
  say(`${why} This page looks again every ${LOOK_AGAIN_SECONDS} seconds.`, true);
  setTimeout(start, 1000 * LOOK_AGAIN_SECONDS);
}

/** Show what the service says of its model. */
async function showModel() {
  if (!$("model").open) return;
  const answer = await ask("model");
  if (answer.status === 401) askForKey();
  const words = answer.status === 200 ? JSON.stringify(answer.content, null, 2) : reasonFor(answer);
  $("model").querySelector("pre").textContent = words;
}

$("form").addEventListener("submit", predict);
$("model").addEventListener("toggle", showModel);
start();
