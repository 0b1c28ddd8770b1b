// Queries, mutations and subscriptions of urql.
import assert from "node:assert/strict";
import { createClient as createSocket } from "graphql-ws";
import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from "urql";
import { filter, map, pipe, subscribe, take, toPromise } from "wonka";
import WebSocket from "ws";

import {
  ada,
  assignToBob,
  bearer,
  bob,
  bobsCursor,
  done,
  recordingFetch,
  socketUrl,
  url,
} from "../scene.mjs";

/** A client of somebody: HTTP for queries and mutations, a WebSocket for subscriptions. */
function clientOf(person) {
  const wire = recordingFetch();
  const socket = createSocket({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: bearer(person),
    retryAttempts: 0,
  });
  const client = new Client({
    url,
    fetch: wire.fetch,
    fetchOptions: { headers: bearer(person) },
    preferGetMethod: false,
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query: query ?? "", variables }, sink),
          }),
        }),
      }),
    ],
  });
  return { client, socket, requests: wire.requests };
}

const LIST = gql`
  {
    tasks {
      nodes {
        id
        title
      }
    }
  }
`;
const CREATE = gql`
  mutation ($input: CreateTaskInput!) {
    createTask(input: $input) {
      task {
        id
        title
      }
      userErrors {
        field
      }
    }
  }
`;
const ASSIGNED = gql`
  subscription ($after: String) {
    taskAssigned(after: $after) {
      assignedBy {
        id
      }
      task {
        id
        title
      }
    }
  }
`;

const { client, requests } = clientOf(ada);
const viewer = await client.query(gql`{ viewer { user { id } } }`, {});
assert.equal(viewer.error, undefined);
assert.equal(viewer.data.viewer.user.id, ada.id);
done("query");

// A list that is on the screen, so that the client keeps it as it is.
const list = client.query(LIST, {});
const { unsubscribe } = pipe(list, subscribe(() => {}));
const titles = pipe(
  list,
  filter(({ stale }) => !stale),
  map(({ data }) => data.tasks.nodes.map(({ title }) => title).join()),
);
/** Waits until the screen shows something. */
const shows = (wanted) =>
  pipe(
    titles,
    filter((titles) => titles === wanted),
    take(1),
    toPromise,
  );
// What is asked while the first answer is on its way is answered by that.
await shows("");
// An empty list names no type that a change could be known by.
await client.mutation(CREATE, { input: { title: "One" } });
await client.query(LIST, {}, { requestPolicy: "network-only" });
await shows("One");
const before = requests.length;
assert.deepEqual((await client.query(LIST, {})).data.tasks.nodes.length, 1);
assert.equal(requests.length, before);
done("the cache answers");

const made = await client.mutation(CREATE, { input: { title: "Two" } });
assert.equal(made.error, undefined);
assert.equal(made.data.createTask.task.title, "Two");
done("mutation");
await shows("Two,One");
done("the list is read anew after the mutation");
unsubscribe();

const refused = await client.mutation(CREATE, { input: { title: "" } });
assert.deepEqual(refused.data.createTask.userErrors[0].field, ["input", "title"]);
done("user errors are data");

const wrong = await client.query(gql`{ task(id: "nonsense") { id } }`, {});
assert.equal(wrong.error.graphQLErrors[0].extensions.code, "BAD_USER_INPUT");
done("errors are errors");

const bobs = clientOf(bob);
const after = await bobsCursor();
const event = pipe(bobs.client.subscription(ASSIGNED, { after }), take(1), toPromise);
const task = await assignToBob("Three");
const { data, error } = await event;
assert.equal(error, undefined);
assert.equal(data.taskAssigned.assignedBy.id, ada.id);
assert.deepEqual(
  { id: data.taskAssigned.task.id, title: data.taskAssigned.task.title },
  { id: task.id, title: "Three" },
);
done("event");
await bobs.socket.dispose();
