// Compiles the screen in `src` with Relay's compiler, and sends what the compiler made of it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import compiler from "relay-compiler";

import { ada, bob, done, send } from "../scene.mjs";

mkdirSync("artifacts");
const { status, stdout, stderr } = spawnSync(compiler, ["relay.config.json"], { encoding: "utf8" });
assert.equal(status, 0, stdout + stderr);
assert.doesNotMatch(stdout + stderr, /WARN|ERROR/);
done("compiled");

/** Sends the operation of an artifact as Relay's network layer would. */
async function run(name, variables) {
  const url = new URL(`artifacts/${name}.graphql.js`, import.meta.url);
  const { default: artifact } = await import(url);
  return send(ada, artifact.params.text, variables);
}

const made = [];
for (const title of ["One", "Two", "Three"]) {
  const { createTask } = await run("tasksCreateMutation", {
    input: { title, assigneeId: bob.id },
  });
  made.push(createTask.task);
}
const [one] = made;
done("mutation");

const screen = await run("tasksScreenQuery", { count: 2, orderBy: [{ field: "CREATED_AT" }] });
assert.deepEqual(screen.tasks.edges.map(({ node }) => node.title), ["One", "Two"]);
const next = await run("tasksNextPageQuery", {
  count: 2,
  after: screen.tasks.pageInfo.endCursor,
  orderBy: [{ field: "CREATED_AT" }],
});
assert.deepEqual(next.tasks.edges.map(({ node }) => node), [{ ...made[2], __typename: "Task" }]);
assert.equal(next.tasks.pageInfo.hasNextPage, false);
done("the query of the next page");

// Made for the fragments on Task and User: both are read anew by `node`.
const row = await run("tasksRowQuery", { id: one.id, withCreator: false });
assert.deepEqual(row.node, { __typename: "Task", ...one });
const person = await run("tasksPersonQuery", { id: bob.id });
assert.deepEqual(person.node, { __typename: "User", id: bob.id, name: "Name of bob" });
done("the queries of single objects");

const page = await run("tasksPageQuery", { id: one.id });
assert.equal(page.node.__typename, "Task");
assert.equal(page.node.creator.id, ada.id);
done("a page of anything with an id");

const { deleteTask } = await run("tasksDeleteMutation", { input: { id: one.id } });
assert.deepEqual(deleteTask, { deletedTaskId: one.id, userErrors: [] });
done("the id of what is deleted");
