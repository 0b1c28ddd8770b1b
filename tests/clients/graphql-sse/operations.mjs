// Operations over server-sent events, in the mode of distinct connections.
import assert from "node:assert/strict";
import { NetworkError, createClient } from "graphql-sse";

import { ada, assignToBob, bearer, bob, bobsCursor, done, recordingFetch, url } from "../scene.mjs";

function clientOf(person) {
  const wire = recordingFetch();
  const client = createClient({
    url,
    fetchFn: wire.fetch,
    headers: bearer(person),
    retryAttempts: 0,
  });
  return { client, requests: wire.requests };
}

/** All answers to an operation that comes to its end. */
async function run(client, payload) {
  const answers = [];
  for await (const answer of client.iterate(payload)) {
    answers.push(answer);
  }
  return answers;
}

const adas = clientOf(ada);
assert.deepEqual(await run(adas.client, { query: "{ viewer { user { id } } }" }), [
  { data: { viewer: { user: { id: ada.id } } } },
]);
const [{ method, type }] = adas.requests;
assert.equal(method, "POST");
assert.match(type, /^text\/event-stream/);
done("query");

const [made] = await run(adas.client, {
  query: `mutation ($input: CreateTaskInput!) {
    createTask(input: $input) { task { title } userErrors { message } }
  }`,
  variables: { input: { title: "As an event" } },
});
assert.deepEqual(made.data.createTask, { task: { title: "As an event" }, userErrors: [] });
done("mutation");

// Refused before it runs: still an answer, and the stream is completed behind it.
for (const [query, code] of [
  ["{ viewer { password } }", "GRAPHQL_VALIDATION_FAILED"],
  ["{ viewer {", "GRAPHQL_PARSE_FAILED"],
  ["subscription { taskAssigned { password } }", "GRAPHQL_VALIDATION_FAILED"],
]) {
  const answers = await run(adas.client, { query }).catch((error) => {
    throw error instanceof NetworkError ? new Error(`${error.response?.status}`) : error;
  });
  assert.deepEqual(
    answers.map(({ data, errors }) => [data ?? undefined, errors[0].extensions.code]),
    [[undefined, code]],
  );
}
done("errors of invalid documents");

const bobs = clientOf(bob);
const events = bobs.client.iterate({
  query: `subscription ($after: String) {
    taskAssigned(after: $after) { assignedBy { id } task { id title } }
  }`,
  variables: { after: await bobsCursor() },
});
for (const title of ["One", "Two"]) {
  const task = await assignToBob(title);
  // The next assignment is made only after this one has arrived.
  const { value } = await events.next();
  assert.deepEqual(value, { data: { taskAssigned: { assignedBy: { id: ada.id }, task } } });
  done(`event: ${title}`);
}
await events.return();
assert.equal(bobs.requests.length, 1);

// A subscription that cannot begin ends with its error.
const [refused] = await run(bobs.client, {
  query: `subscription { taskAssigned(after: "no cursor") { cursor } }`,
});
assert.equal(refused.errors[0].extensions.code, "BAD_USER_INPUT");
done("error of a subscription");
