// What every program here is told by its test, and how it acts without a client.
import assert from "node:assert/strict";

/** The path of the API, and two people: `{ id, token }`. */
export const { url, ada, bob } = JSON.parse(process.env.SCENE);
export const socketUrl = url.replace(/^http/, "ws");

/** Says that something has succeeded. The test knows what has to be said, and in which order. */
export function done(what) {
  process.stdout.write(`${what}\n`);
}

export function bearer(person) {
  return { Authorization: `Bearer ${person.token}` };
}

/** Sends an operation without any client, and answers its data. */
export async function send(person, query, variables) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...bearer(person) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

/** Ada makes a task and gives it to Bob; answers it as `{ id, title }`. */
export async function assignToBob(title) {
  const { createTask } = await send(
    ada,
    `mutation ($input: CreateTaskInput!) {
       createTask(input: $input) { task { id title } userErrors { message } }
     }`,
    { input: { title, assigneeId: bob.id } },
  );
  assert.deepEqual(createTask.userErrors, []);
  return createTask.task;
}

/** Bob's newest event: who subscribes after it misses nothing, whenever the server gets to it. */
export async function bobsCursor() {
  const { viewer } = await send(bob, "{ viewer { eventCursor } }");
  return viewer.eventCursor;
}

/**
 * `fetch`, and what went over the wire through it: of each request the method, the URL and the
 * body; of each answer the status, the media type, and the text as far as it has arrived.
 */
export function recordingFetch() {
  const requests = [];
  async function recorded(input, init = {}) {
    const entry = {
      method: init.method ?? "GET",
      url: new URL(input),
      body: init.body === undefined || init.body === null ? undefined : JSON.parse(init.body),
      text: "",
    };
    requests.push(entry);
    const response = await fetch(input, init);
    entry.status = response.status;
    entry.type = response.headers.get("content-type");
    const decoder = new TextDecoder();
    const noting = new TransformStream({
      transform(chunk, controller) {
        entry.text += decoder.decode(chunk, { stream: true });
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body?.pipeThrough(noting), response);
  }
  return { fetch: recorded, requests };
}
