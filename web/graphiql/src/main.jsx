/* global GRAPHIQL_VERSION */
import "./workers.js";
import { useEffect, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { GraphiQL } from "graphiql";
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { examples } from "./examples.js";
import * as placeholders from "./placeholders.js";
import * as runs from "./runs.js";

const RESTORE = "taskflow:restore-examples";

/** What the editors show first: the tab that was open last, or the first example. */
function initialTab() {
  try {
    if (localStorage.getItem(RESTORE)) {
      for (const key of [RESTORE, "graphiql:tabState", "graphiql:query", "graphiql:variables", "graphiql:headers"]) {
        localStorage.removeItem(key);
      }
    }
    const { tabs, activeTabIndex } = JSON.parse(localStorage.getItem("graphiql:tabState"));
    return tabs[activeTabIndex] ?? examples[0];
  } catch {
    return examples[0];
  }
}

function restoreExamples() {
  if (!window.confirm("Close all tabs and open the seven examples again?")) return;
  localStorage.setItem(RESTORE, "1");
  location.reload();
}

/** Keeps the runs and the tabs together. */
function Bridge() {
  const { run, stop } = useGraphiQLActions();
  const { tabs, activeTabIndex } = useGraphiQL(({ tabs, activeTabIndex }) => ({ tabs, activeTabIndex }));
  const active = tabs[activeTabIndex]?.id;
  useEffect(() => runs.setTabs({ tabs, activeTabIndex }), [tabs, activeTabIndex]);
  useEffect(() => runs.tabShown(active, { run, stop }), [active, run, stop]);
  return null;
}

function Status() {
  const known = useSyncExternalStore(placeholders.subscribe, placeholders.getKnown);
  const live = useSyncExternalStore(runs.subscribe, runs.getSubscriptions);
  const names = Object.keys(known).sort();
  return (
    <div className="tf-status">
      <span>known:</span>
      {names.length ? names.map((name) => <code key={name}>{`{{${name}}}`}</code>) : <span>nothing yet</span>}
      {names.length > 0 && (
        <button type="button" onClick={placeholders.forget} title="Forget these values in this browser">
          forget
        </button>
      )}
      {live.map(({ name, state, events }, index) => (
        <span key={index} className="tf-live" data-state={state}>
          {name} {state === "live" ? `listening, ${events} ${events === 1 ? "event" : "events"}` : "connecting…"}
        </span>
      ))}
      <button type="button" className="tf-end" onClick={restoreExamples} title={`GraphiQL ${GRAPHIQL_VERSION}`}>
        restore examples
      </button>
    </div>
  );
}

const { query, variables, headers } = initialTab();

createRoot(document.getElementById("graphiql")).render(
  <GraphiQL
    fetcher={runs.fetcher}
    defaultTabs={examples}
    initialQuery={query ?? ""}
    initialVariables={variables ?? ""}
    initialHeaders={headers ?? ""}
    shouldPersistHeaders
    showPersistHeadersSettings={false}
    defaultEditorToolsVisibility
    onTabChange={runs.setTabs}
  >
    <GraphiQL.Footer>
      <Status />
    </GraphiQL.Footer>
    <Bridge />
  </GraphiQL>,
);
