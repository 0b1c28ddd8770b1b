// One "run" is one operation that was started from one tab. GraphiQL stops
// whatever runs when the tab changes; here a run stays alive in the background
// instead, so that a subscription still listens while other tabs are used.
// Coming back to its tab shows what arrived and attaches to it again.
import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";
import { fill, learn, unknownErrors } from "./placeholders.js";

const HTTP_URL = "/graphql";
const WS_URL = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/graphql`;

const runs = new Map(); // tab id -> run
const listeners = new Set();
let snapshot = [];
let tabs = [];
let activeTab = null;
let reattaching = null;

const failure = (message) => ({ errors: [{ message }] });

export const getSubscriptions = () => snapshot;
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
function changed() {
  snapshot = [...runs.values()]
    .filter((run) => run.kind === "subscription" && !run.done)
    .map(({ name, state, events }) => ({ name, state, events }));
  listeners.forEach((listener) => listener());
}

/** GraphiQL tells us its tabs whenever they change. */
export function setTabs(state) {
  tabs = state.tabs.map((tab) => tab.id);
  activeTab = tabs[state.activeTabIndex] ?? null;
  for (const run of [...runs.values()]) if (!tabs.includes(run.tab)) run.end();
}

/** Called when another tab has been opened. */
export function tabShown(tab, { run, stop }) {
  // A new tab does not stop the operation of the tab before; do it now.
  if ([...runs.values()].some((other) => other.sink && other.tab !== tab)) stop();
  const waiting = runs.get(tab);
  if (!waiting || waiting.sink) return;
  reattaching = waiting;
  run(); // calls the fetcher at once
  reattaching = null;
}

export function fetcher(params, options = {}) {
  if (params.operationName === "IntrospectionQuery") return introspect(params, options);
  const run = reattaching ?? start(params, options);
  reattaching = null;
  return { subscribe: (sink) => attach(run, sink) };
}

function attach(run, sink) {
  run.sink = sink;
  if (run.last || run.done) {
    queueMicrotask(() => {
      if (run.sink !== sink) return;
      if (run.last) sink.next(run.last);
      if (run.done) {
        sink.complete();
        run.end();
      }
    });
  }
  return {
    unsubscribe() {
      if (run.sink !== sink) return;
      run.sink = null;
      // Stopped by hand, or only because the tab changes? Known a moment later.
      setTimeout(() => {
        if (!run.sink && (activeTab === run.tab || !tabs.includes(run.tab))) run.end();
      });
    },
  };
}

function start({ query, variables, operationName }, { headers }) {
  const tab = activeTab;
  runs.get(tab)?.end();

  const { operation, name } = findOperation(query, operationName);
  const run = {
    tab,
    name: name ?? "subscription",
    kind: operation?.operation ?? "query",
    state: "connecting",
    events: 0,
    last: null,
    done: false,
    sink: null,
    cancel() {},
    end() {
      run.done = true;
      run.sink = null;
      if (runs.get(tab) === run) runs.delete(tab);
      run.cancel();
      changed();
    },
  };
  const next = (result) => {
    if (run.done) return;
    run.last = result;
    run.events += 1;
    if (result?.data) learn(result.data, operation);
    run.sink?.next(result);
    changed();
  };
  const complete = () => {
    if (run.done) return;
    run.done = true;
    run.cancel();
    if (run.sink) {
      run.sink.complete();
      run.end();
    } // else: the answer waits until its tab is shown again
    changed();
  };
  runs.set(tab, run);
  changed();

  const send = run.kind === "subscription" ? listen : post;
  const request = { query, variables, operationName: name ?? undefined };
  // Not before attach() has been called.
  queueMicrotask(() => send(run, request, headers, next, complete));
  return run;
}

/** GraphiQL's own idea of the operation lags 0.1 s behind when the tab changes. */
function findOperation(query, operationName) {
  try {
    const document = parse(query);
    const operations = document.definitions.filter((item) => item.kind === "OperationDefinition");
    const operation =
      (operationName && getOperationAST(document, operationName)) || (operations.length === 1 ? operations[0] : null);
    return { operation, name: operation ? operation.name?.value : operationName };
  } catch {
    return { operation: null, name: operationName }; // the server explains the syntax error
  }
}

async function post(run, { query, variables, operationName }, headers, next, complete) {
  const unknown = new Set();
  const filled = fill(headers ?? {}, unknown);
  const body = { query, operationName, variables: fill(variables, unknown) };
  if (unknown.size) next(unknownErrors(unknown));
  else {
    const abort = new AbortController();
    run.cancel = () => abort.abort();
    next(await send(body, filled, abort.signal));
  }
  complete();
}

async function send(body, headers, signal) {
  let response;
  let text;
  try {
    response = await fetch(HTTP_URL, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json",
        ...headers,
      },
      body: JSON.stringify(body),
      credentials: "same-origin",
      signal,
    });
    text = await response.text();
  } catch (error) {
    return failure(`The server could not be reached: ${error.message}`);
  }
  try {
    const result = JSON.parse(text);
    if (result && typeof result === "object") return result;
  } catch {
    // not JSON, see below
  }
  const start = text.trim().slice(0, 300);
  return failure(`The server answered ${response.status} ${response.statusText}`.trim() + (start ? `: ${start}` : "."));
}

function listen(run, { query, variables, operationName }, headers, next, complete) {
  const check = new Set();
  fill(headers ?? {}, check);
  const payload = { query, operationName, variables: fill(variables, check) };
  if (check.size) {
    next(unknownErrors(check));
    complete();
    return;
  }
  // One connection for one subscription: the token belongs to the connection,
  // and each tab may be another person.
  const client = createClient({
    url: WS_URL,
    connectionParams() {
      // Filled again on every connect: after a reconnect the newest token counts.
      const filled = fill(headers ?? {}, new Set());
      const key = Object.keys(filled).find((name) => name.toLowerCase() === "authorization");
      return key ? { Authorization: filled[key] } : {};
    },
    on: {
      connected() {
        run.state = "live";
        changed();
      },
      closed() {
        run.state = "connecting";
        changed();
      },
    },
  });
  run.cancel = () => client.dispose();
  client.subscribe(payload, {
    next,
    error(error) {
      next(asResult(error));
      complete();
    },
    complete,
  });
}

function asResult(error) {
  if (Array.isArray(error)) return { errors: error };
  if (typeof error?.code === "number") {
    const reason = error.reason ? ` ${error.reason}` : "";
    return failure(`The server closed the WebSocket connection: ${error.code}${reason}`);
  }
  return failure(error?.message || "The WebSocket connection to the server failed.");
}

/** The schema does not depend on the person: ask without the tab's token first. */
async function introspect({ query, operationName }, { headers }) {
  const body = { query, operationName };
  const first = await send(body, {});
  if (first.data?.__schema) return first;
  const unknown = new Set();
  const filled = fill(headers ?? {}, unknown);
  return unknown.size || !Object.keys(filled).length ? first : send(body, filled);
}
