// Queries and mutations over a WebSocket that is there only while it is needed.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { ada, bearer, done, socketUrl } from "../scene.mjs";

const events = [];
let reportClosed;
const closed = new Promise((resolve) => (reportClosed = resolve));
const client = createClient({
  url: socketUrl,
  webSocketImpl: WebSocket,
  connectionParams: bearer(ada),
  lazy: true,
  // Closes as soon as nothing runs.
  lazyCloseTimeout: 0,
  retryAttempts: 0,
  on: {
    opened: () => events.push("opened"),
    connected: () => events.push("connected"),
    closed: (event) => {
      events.push("closed");
      reportClosed(event);
    },
  },
});

/** Runs an operation that has one answer. */
async function run(payload) {
  const answers = [];
  for await (const answer of client.iterate(payload)) {
    answers.push(answer);
  }
  assert.equal(answers.length, 1);
  assert.equal(answers[0].errors, undefined);
  return answers[0].data;
}

assert.deepEqual(events, [], "no socket before the first operation");

// All at once, so that one socket serves them.
const [query, mutation, refused] = await Promise.all([
  run({ query: "{ viewer { user { id } } }" }),
  run({
    query: `mutation ($input: CreateTaskInput!) {
      createTask(input: $input) { task { title creator { id } } userErrors { message } }
    }`,
    variables: { input: { title: "Over the socket" } },
  }),
  run({ query: "{ viewer { password } }" }).catch((reason) => reason),
]);
assert.deepEqual(query, { viewer: { user: { id: ada.id } } });
done("query");
assert.deepEqual(mutation.createTask, {
  task: { title: "Over the socket", creator: { id: ada.id } },
  userErrors: [],
});
done("mutation");
assert.equal(refused[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
done("error of an invalid document");

// The server answers the client's closing: else it would be 1006.
const { code, wasClean } = await closed;
assert.deepEqual({ code, wasClean }, { code: 1000, wasClean: true });
assert.deepEqual(events, ["opened", "connected", "closed"]);
done("closed when nothing runs");

const again = await run({ query: "{ viewer { user { id } } }" });
assert.equal(again.viewer.user.id, ada.id);
assert.equal(events.filter((event) => event === "opened").length, 2);
done("opened anew");
