// A subscription of Apollo Client over multipart HTTP: no WebSocket, nothing but its HttpLink.
import assert from "node:assert/strict";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";

import { assignToBob, bearer, bob, bobsCursor, done, recordingFetch, url } from "../scene.mjs";

const SUBSCRIPTION = gql`
  subscription ($after: String) {
    taskAssigned(after: $after) {
      task {
        id
        title
      }
    }
  }
`;

const wire = recordingFetch();
const client = new ApolloClient({
  link: new HttpLink({ uri: url, fetch: wire.fetch, headers: bearer(bob) }),
  cache: new InMemoryCache(),
});

/** The events as they come, one at a time. */
function follow(variables) {
  const waiting = [];
  const come = [];
  const give = (result) => (waiting.length > 0 ? waiting.shift()(result) : come.push(result));
  const subscription = client.subscribe({ query: SUBSCRIPTION, variables }).subscribe({
    next: give,
    error: (error) => give({ error }),
    complete: () => give({ ended: true }),
  });
  return {
    next: () =>
      new Promise((resolve) => (come.length > 0 ? resolve(come.shift()) : waiting.push(resolve))),
    stop: () => subscription.unsubscribe(),
  };
}

const events = follow({ after: await bobsCursor() });
for (const title of ["One", "Two"]) {
  const task = await assignToBob(title);
  // The next assignment is made only after this one was shown.
  const { data, error } = await events.next();
  assert.equal(error, undefined);
  assert.deepEqual(data.taskAssigned.task, { __typename: "Task", ...task });

  // Nothing came behind the event but the boundary that ends it. Without that boundary the client
  // would have waited for the next part, be it a heartbeat.
  const { text, type } = wire.requests[0];
  assert.match(type, /^multipart\/mixed; ?boundary="?graphql"?; ?subscriptionSpec="?1\.0"?/);
  const behind = text.slice(text.indexOf(title) + title.length);
  assert.match(behind, /^[^\r\n]*\r\n--graphql$/);
  done(`event at once: ${title}`);
}
assert.equal(wire.requests.length, 1);
events.stop();

const refused = follow({ after: "no cursor" });
const { error } = await refused.next();
assert.equal(error.errors[0].extensions.code, "BAD_USER_INPUT");
done("error");
