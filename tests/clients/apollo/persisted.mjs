// Automatic persisted queries of Apollo Client, and what of them goes over the wire.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";

import { ada, bearer, done, recordingFetch, url } from "../scene.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** A client that sends each query, and what went over the wire since the last time. */
function persisting(options) {
  const wire = recordingFetch();
  const link = ApolloLink.from([
    new PersistedQueryLink({ sha256, ...options }),
    new HttpLink({ uri: url, fetch: wire.fetch, headers: bearer(ada) }),
  ]);
  const client = new ApolloClient({
    link,
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: "no-cache" } },
  });
  const hashes = new Set();
  function sent() {
    return wire.requests.splice(0).map(({ method, url, body, text }) => {
      const extensions = body?.extensions ?? JSON.parse(url.searchParams.get("extensions"));
      const { version, sha256Hash } = extensions.persistedQuery;
      assert.equal(version, 1);
      hashes.add(sha256Hash);
      const document = body?.query ?? url.searchParams.get("query") ?? undefined;
      if (document !== undefined) {
        hashes.add(sha256(document));
      }
      // All of them are about one document.
      assert.equal(hashes.size, 1);
      const code = JSON.parse(text).errors?.[0].extensions.code;
      return `${method} ${document ? "document" : "hash"}: ${code ?? "data"}`;
    });
  }
  return { client, sent };
}

async function check(method, query) {
  const options = { useGETForHashedQueries: method === "GET" };
  const id = async ({ client }) => (await client.query({ query })).data.viewer.user.id;

  const one = persisting(options);
  assert.equal(await id(one), ada.id);
  assert.deepEqual(one.sent(), [
    `${method} hash: PERSISTED_QUERY_NOT_FOUND`,
    "POST document: data",
  ]);
  done(`${method}: sent whole after the hash was not known`);

  assert.equal(await id(one), ada.id);
  assert.deepEqual(one.sent(), [`${method} hash: data`]);
  // It is the server that knows it, not the client.
  const other = persisting(options);
  assert.equal(await id(other), ada.id);
  assert.deepEqual(other.sent(), [`${method} hash: data`]);
  done(`${method}: served by its hash alone`);
}

await check("POST", gql`query ByPost { viewer { user { id } } }`);
await check("GET", gql`query ByGet { viewer { user { id name } } }`);

// Mutations are known by their hash, too, and never by GET.
const { client, sent } = persisting({ useGETForHashedQueries: true });
const mutation = gql`
  mutation Create($input: CreateTaskInput!) {
    createTask(input: $input) {
      task {
        title
      }
    }
  }
`;
for (const title of ["One", "Two"]) {
  const { data } = await client.mutate({ mutation, variables: { input: { title } } });
  assert.equal(data.createTask.task.title, title);
}
assert.deepEqual(sent(), [
  "POST hash: PERSISTED_QUERY_NOT_FOUND",
  "POST document: data",
  "POST hash: data",
]);
done("a mutation by its hash");
