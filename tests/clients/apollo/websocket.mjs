// A subscription of Apollo Client over a WebSocket.
import assert from "node:assert/strict";
import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { firstValueFrom } from "rxjs";
import WebSocket from "ws";

import { ada, assignToBob, bearer, bob, bobsCursor, done, socketUrl } from "../scene.mjs";

const socket = createClient({
  url: socketUrl,
  webSocketImpl: WebSocket,
  connectionParams: bearer(bob),
  retryAttempts: 0,
});
const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });

const after = await bobsCursor();
const event = firstValueFrom(
  client.subscribe({
    query: gql`
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
    `,
    variables: { after },
  }),
);
const task = await assignToBob("Water the plants");
const { data, error } = await event;
assert.equal(error, undefined);
assert.deepEqual(data.taskAssigned, {
  __typename: "TaskAssignedEvent",
  assignedBy: { __typename: "User", id: ada.id },
  task: { __typename: "Task", ...task },
});
done("event");

// What a subscription brings is in the cache like everything else.
assert.equal(client.cache.extract()[`Task:${task.id}`].title, "Water the plants");
done("the event's task is in the cache");
await socket.dispose();
