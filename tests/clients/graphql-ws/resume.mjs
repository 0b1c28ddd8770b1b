// A client that loses its token, its connection and its place, with the helper that docs/API.md shows.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { follow } from "../../../clients/typescript/follow.ts";
import { assignToBob, bob, bobsCursor, done, socketUrl } from "../scene.mjs";

/** The token is stale at the first time, fresh at all others. */
const tokens = ["stale.access.token"];
const closes = [];
let socket;

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

/** Follows what is assigned to Bob; `task` answers the next one. */
function followBob(options) {
  const events = [];
  let come;
  const fail = (reason) => {
    process.stderr.write(`${reason?.stack ?? JSON.stringify(reason)}\n`);
    process.exit(1);
  };
  const stop = follow({
    client,
    query: `subscription ($after: String) {
      taskAssigned(after: $after) { cursor task { id title } }
    }`,
    next(event) {
      events.push(event);
      come?.();
    },
    expired: () => fail(new Error("the cursor is not expired")),
    failed: fail,
    ...options,
  });
  async function task() {
    while (events.length === 0) await new Promise((resolve) => (come = resolve));
    return events.shift().task;
  }
  return { stop, task, events };
}

const { stop, task, events } = followBob({ after: await bobsCursor() });

const one = await assignToBob("One");
assert.deepEqual(await task(), one);
assert.deepEqual(closes, [4403]);
done("connected again with a fresh token after 4403");

// The socket breaks without a word. What happens meanwhile is brought once, and in order.
socket.terminate();
const [two, three] = [await assignToBob("Two"), await assignToBob("Three")];
assert.deepEqual([await task(), await task()], [two, three]);
assert.deepEqual(closes, [4403, 1006]);
done("resumed after the last cursor");

const four = await assignToBob("Four");
assert.deepEqual(await task(), four);
done("goes on live");

// A place that was never given: the database is an older one, for example.
const [version, , ...rest] = Buffer.from(await bobsCursor(), "base64url").toString().split("\n");
const lost = Buffer.from([version, 999, ...rest].join("\n")).toString("base64url");
let times = 0;
const anew = followBob({
  after: lost,
  async expired() {
    times += 1;
    return bobsCursor();
  },
});
const five = await assignToBob("Five");
// It is on the list that is read anew, or it comes after.
const six = await assignToBob("Six");
let last = await anew.task();
if (last.id === five.id) last = await anew.task();
assert.deepEqual(last, six);
assert.equal(times, 1);
done("began anew when its place was not kept");

assert.deepEqual([await task(), await task()], [five, six]);
stop();
anew.stop();
await assignToBob("Seven");
assert.deepEqual(events, []);
done("stopped");

await client.dispose();
