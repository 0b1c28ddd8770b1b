// The helper on a client that brings events twice, ends, and fails: what no good server does.
import assert from "node:assert/strict";

import { follow } from "../../../clients/typescript/follow.ts";
import { done } from "../scene.mjs";

/** A client of `graphql-ws` whose server is played here. */
const begun = [];
let sink;
const client = {
  subscribe(payload, into) {
    begun.push(payload.variables);
    sink = into;
    return () => {};
  },
};
const bring = (cursor) => sink.next({ data: { taskChanged: { cursor } } });
const came = [];
const told = [];
const reasons = [];
let anew;
const options = {
  client,
  query: "subscription ($after: String, $id: ID) { taskChanged(taskId: $id, after: $after) { cursor } }",
  variables: { id: "7" },
  after: "a",
  next: ({ cursor }, errors) => {
    came.push(cursor);
    if (errors) told.push(errors);
  },
  expired: () => new Promise((resolve) => (anew = resolve)),
  failed: (reason) => reasons.push(reason),
  pause: 0,
};
follow(options);

for (const cursor of ["b", "c", "b", "c", "d", "d"]) bring(cursor);
assert.deepEqual(came, ["b", "c", "d"]);
done("what came twice is dropped");

sink.next({ data: null, errors: [{ message: "later" }] });
sink.complete();
while (begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
assert.deepEqual(begun, [{ id: "7", after: "a" }, { id: "7", after: "d" }]);
done("an end is gone on from");

sink.error([{ message: "gone", extensions: { code: "CURSOR_EXPIRED" } }]);
anew("x");
while (begun.length < 3) await new Promise((resolve) => setImmediate(resolve));
assert.equal(begun[2].after, "x");
bring("b");
assert.deepEqual(came, ["b", "c", "d", "b"]);
done("after a new beginning nothing is known");

const errors = [{ message: "not now", path: ["taskChanged", "task"] }];
sink.next({ data: { taskChanged: { cursor: "c2" } }, errors });
assert.deepEqual(came.pop(), "c2");
assert.deepEqual(told, [errors]);
done("what could not be read is told");

const reason = [{ message: "no", extensions: { code: "NOT_FOUND" } }];
sink.error(reason);
bring("e");
assert.deepEqual([reasons, came.length, begun.length], [[reason], 4, 3]);
done("a failure is told once and is the end");

follow(options);
bring(undefined);
assert.match(String(reasons[1]), /cursor/);
done("a document without a cursor is told");
