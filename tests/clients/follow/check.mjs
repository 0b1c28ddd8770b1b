// Has TypeScript check the helper and a program that uses it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [path("../node_modules/.bin/tsc"), "--project", path(".")],
  { encoding: "utf8" },
);
assert.equal(status, 0, stdout + stderr);
console.log("types checked");
