// A client that loses its token and its connection, as docs/API.md tells to write it.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { assignToBob, bob, bobsCursor, done, socketUrl } from "../scene.mjs";

/** The token is stale at the first time, fresh at all others. */
const tokens = ["stale.access.token"];
const closes = [];
let socket;
let last = await bobsCursor();

const client = createClient({
  url: socketUrl,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ Authorization: `Bearer ${tokens.shift() ?? bob.token}` }),
  retryAttempts: 2,
  // The pauses between attempts are the client's own and not under test.
  retryWait: () => Promise.resolve(),
  on: {
    opened: (opened) => (socket = opened),
    closed: ({ code }) => closes.push(code),
  },
});

const events = client.iterate({
  query: `subscription ($after: String) {
    taskAssigned(after: $after) { cursor task { id title } }
  }`,
  // Read whenever the client subscribes anew.
  variables: {
    get after() {
      return last;
    },
  },
});

async function nextTask() {
  const { value, done: ended } = await events.next();
  assert.equal(ended, false);
  assert.equal(value.errors, undefined);
  last = value.data.taskAssigned.cursor;
  return value.data.taskAssigned.task;
}

const one = await assignToBob("One");
assert.deepEqual(await nextTask(), one);
assert.deepEqual(closes, [4403]);
done("connected again with a fresh token after 4403");

// The socket breaks without a word. What happens meanwhile is brought once, and in order.
socket.terminate();
const [two, three] = [await assignToBob("Two"), await assignToBob("Three")];
assert.deepEqual([await nextTask(), await nextTask()], [two, three]);
assert.deepEqual(closes, [4403, 1006]);
done("resumed after the last cursor");

const four = await assignToBob("Four");
assert.deepEqual(await nextTask(), four);
done("goes on live");

await events.return();
await client.dispose();
