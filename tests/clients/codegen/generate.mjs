// Makes types for typed documents, and has TypeScript check a program that uses them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Runs a program of a package with the same Node.js as this one. */
function run(program, ...args) {
  const path = fileURLToPath(new URL(`../node_modules/.bin/${program}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
}

run("graphql-codegen", "--config", "codegen.mjs", "--errors-only");
console.log("types made");
run("tsc", "--project", ".");
console.log("types checked");
