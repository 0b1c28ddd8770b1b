// {{ada.token}}, {{ada.id}}, {{task.id}}: string values in the variables and in
// the headers may contain such placeholders. They are learned from answers and
// kept in this browser's localStorage.
const KEY = "taskflow:placeholders";
const PATTERN = /\{\{\s*([^{}\s]+)\s*\}\}/g;

const listeners = new Set();
let known = read();

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY));
    return stored && typeof stored === "object" ? stored : {};
  } catch {
    return {};
  }
}

function write(next) {
  known = next;
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // No storage (private window, quota): remember them for this page only.
  }
  listeners.forEach((listener) => listener());
}

window.addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  known = read();
  listeners.forEach((listener) => listener());
});

export const getKnown = () => known;
export const forget = () => write({});
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Replaces every placeholder inside `value`; unknown names go into `unknown`. */
export function fill(value, unknown) {
  if (typeof value === "string") {
    return value.replace(PATTERN, (whole, name) => {
      if (Object.hasOwn(known, name)) return known[name];
      unknown.add(name);
      return whole;
    });
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, unknown));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, unknown)]));
  }
  return value;
}

/** The answer to an operation that uses placeholders we do not know yet. */
export const unknownErrors = (unknown) => ({
  errors: [...unknown].map((name) => ({ message: `{{${name}}} is not known yet: ${hint(name)}` })),
});

function hint(name) {
  if (name === "task.id") return 'run "5 · Create a task" first.';
  const user = name.replace(/\.(token|id)$/, "");
  if (user === "ada") return 'run "1 · Register Ada" first (or "3 · Log in", operation LogInAsAda).';
  if (user === "bob") return 'run "2 · Register Bob" first (or "3 · Log in", operation LogInAsBob).';
  if (user !== name) return `register or log in as "${user}" first, and select accessToken and user { id username }.`;
  return "the names are {username}.token, {username}.id and task.id.".replaceAll("{username}", "<username>");
}

/** Looks into an answer for tokens, users and the task that was just created. */
export function learn(data, operation) {
  const found = {};
  const visit = (value) => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (!value || typeof value !== "object") return;
    const { accessToken, user } = value;
    if (typeof accessToken === "string" && user && typeof user.username === "string") {
      found[`${user.username}.token`] = accessToken;
      if (typeof user.id === "string") found[`${user.username}.id`] = user.id;
    }
    Object.values(value).forEach(visit);
  };
  visit(data);
  for (const field of operation?.selectionSet.selections ?? []) {
    if (field.kind !== "Field" || field.name.value !== "createTask") continue;
    const id = data?.[field.alias?.value ?? "createTask"]?.task?.id;
    if (typeof id === "string") found["task.id"] = id;
  }
  if (Object.keys(found).length) write({ ...known, ...found });
}
