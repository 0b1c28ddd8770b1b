// Subscriptions of urql without a WebSocket: its fetch exchange reads server-sent events.
import assert from "node:assert/strict";
import { Client, fetchExchange, gql } from "urql";
import { pipe, subscribe, toAsyncIterable } from "wonka";

import { ada, assignToBob, bearer, bob, bobsCursor, done, recordingFetch, url } from "../scene.mjs";

const wire = recordingFetch();
const client = new Client({
  url,
  fetch: wire.fetch,
  fetchOptions: { headers: bearer(bob) },
  fetchSubscriptions: true,
  preferGetMethod: false,
  exchanges: [fetchExchange],
});
const SUBSCRIPTION = gql`
  subscription ($after: String) {
    taskAssigned(after: $after) {
      assignedBy {
        id
      }
      task {
        title
      }
    }
  }
`;

const source = client.subscription(SUBSCRIPTION, { after: await bobsCursor() });
const events = toAsyncIterable(source)[Symbol.asyncIterator]();
for (const title of ["One", "Two"]) {
  // The first reading is what begins the subscription.
  const event = events.next();
  await assignToBob(title);
  const { data, error } = (await event).value;
  assert.equal(error, undefined);
  assert.equal(data.taskAssigned.assignedBy.id, ada.id);
  assert.equal(data.taskAssigned.task.title, title);
  done(`event: ${title}`);
}
assert.deepEqual(
  wire.requests.map(({ method, type }) => `${method} ${type}`),
  ["POST text/event-stream; charset=utf-8"],
);
await events.return();

const refused = await new Promise((resolve) => {
  pipe(client.subscription(SUBSCRIPTION, { after: "no cursor" }), subscribe(resolve));
});
assert.equal(refused.error.graphQLErrors[0].extensions.code, "BAD_USER_INPUT");
done("error");
