// Queries, mutations and the normalised cache of Apollo Client.
import assert from "node:assert/strict";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import { filter, firstValueFrom, map } from "rxjs";

import { ada, bearer, done, recordingFetch, send, url } from "../scene.mjs";

const wire = recordingFetch();
const client = new ApolloClient({
  link: new HttpLink({ uri: url, fetch: wire.fetch, headers: bearer(ada) }),
  cache: new InMemoryCache({
    typePolicies: { Query: { fields: { tasks: relayStylePagination(["filter", "orderBy"]) } } },
  }),
});

const ROW = gql`
  fragment Row on Task {
    id
    title
    version
    assignee {
      id
      name
    }
  }
`;
const LIST = gql`
  query List($after: String) {
    tasks(first: 2, after: $after) {
      edges {
        cursor
        node {
          ...Row
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
  ${ROW}
`;
const CREATE = gql`
  mutation Create($input: CreateTaskInput!) {
    createTask(input: $input) {
      task {
        ...Row
      }
      userErrors {
        code
        message
        field
      }
    }
  }
  ${ROW}
`;
const UPDATE = gql`
  mutation Update($input: UpdateTaskInput!) {
    updateTask(input: $input) {
      task {
        ...Row
      }
      userErrors {
        code
      }
    }
  }
  ${ROW}
`;

const { data } = await client.query({ query: gql`{ viewer { user { id name } } }` });
assert.deepEqual(data, {
  viewer: {
    __typename: "Viewer",
    user: { __typename: "User", id: ada.id, name: "Name of ada" },
  },
});
done("query");

// What a screen would show: the titles, anew with every change of the cache.
const list = client.watchQuery({ query: LIST });
const titles = list.pipe(
  filter(({ dataState }) => dataState === "complete"),
  map(({ data }) => data.tasks.edges.map(({ node }) => node.title)),
);
const screen = titles.subscribe();
assert.deepEqual(await firstValueFrom(titles), []);

/** Waits until the screen shows something. */
function shows(...wanted) {
  return firstValueFrom(titles.pipe(filter((titles) => titles.join() === wanted.join())));
}

async function create(title) {
  const { data } = await client.mutate({
    mutation: CREATE,
    variables: { input: { title } },
    update(cache, { data }) {
      cache.updateQuery({ query: LIST }, ({ tasks }) => ({
        tasks: {
          ...tasks,
          edges: [
            { __typename: "TaskEdge", cursor: "", node: data.createTask.task },
            ...tasks.edges,
          ],
        },
      }));
    },
  });
  assert.deepEqual(data.createTask.userErrors, []);
  return data.createTask.task;
}

const task = await create("Water the plants");
assert.equal(task.version, 1);
done("mutation");
await shows("Water the plants");
done("the list in the cache has what was made");

const before = wire.requests.length;
await client.mutate({
  mutation: UPDATE,
  variables: { input: { id: task.id, title: "Water all plants" } },
});
// By its type and id the cache knew which row it is: nothing was asked again.
await shows("Water all plants");
assert.equal(wire.requests.length, before + 1);
assert.equal(client.readFragment({ id: `Task:${task.id}`, fragment: ROW }).version, 2);
done("a changed task changes where it is shown");

const { data: refused } = await client.mutate({
  mutation: CREATE,
  variables: { input: { title: "" } },
});
assert.equal(refused.createTask.task, null);
assert.deepEqual(refused.createTask.userErrors[0].field, ["input", "title"]);
done("user errors are data");

await assert.rejects(
  () => client.query({ query: gql`{ task(id: "task_00000000000000000000000000") { password } }` }),
  (error) =>
    CombinedGraphQLErrors.is(error) &&
    error.errors[0].extensions.code === "GRAPHQL_VALIDATION_FAILED",
);
done("errors are errors");

// Pages of a list are joined by the cache's own policy for Relay's connections.
for (const title of ["Two", "Three"]) {
  await send(ada, "mutation ($t: String!) { createTask(input: {title: $t}) { task { id } } }", {
    t: title,
  });
}
await list.refetch();
await shows("Three", "Two");
const { endCursor, hasNextPage } = list.getCurrentResult().data.tasks.pageInfo;
assert.equal(hasNextPage, true);
await list.fetchMore({ variables: { after: endCursor } });
await shows("Three", "Two", "Water all plants");
done("pages are joined");
screen.unsubscribe();
