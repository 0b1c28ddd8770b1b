// The audits of graphql-http: what the specification of GraphQL over HTTP asks of a server.
import assert from "node:assert/strict";
import { auditServer } from "graphql-http";

import { done, url } from "../scene.mjs";

const results = await auditServer({ url });
// Also a broken SHOULD ("warn") or MAY ("notice") is a failure here.
const failed = results.filter((result) => result.status !== "ok");
const reasons = failed.map(({ id, name, status, reason }) => `${status} ${id} ${name}: ${reason}`);
assert.deepEqual(reasons, []);
done(`${results.length} audits`);
