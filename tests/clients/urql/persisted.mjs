// Persisted queries of urql, and what of them goes over the wire.
import assert from "node:assert/strict";
import { persistedExchange } from "@urql/exchange-persisted";
import { Client, fetchExchange, gql } from "urql";

import { ada, bearer, done, recordingFetch, url } from "../scene.mjs";

async function check(method, query) {
  const wire = recordingFetch();
  const client = new Client({
    url,
    fetch: wire.fetch,
    fetchOptions: { headers: bearer(ada) },
    preferGetMethod: false,
    exchanges: [
      persistedExchange({ preferGetForPersistedQueries: method === "GET" }),
      fetchExchange,
    ],
  });
  /** The requests since the last time: with or without the document, and how they were answered. */
  const sent = () =>
    wire.requests.splice(0).map(({ method, url, body, text }) => {
      const document = Boolean(body?.query ?? url.searchParams.get("query"));
      const code = JSON.parse(text).errors?.[0].extensions.code ?? "data";
      return `${method} ${document ? "document" : "hash"}: ${code}`;
    });

  for (const expected of [
    [`${method} hash: PERSISTED_QUERY_NOT_FOUND`, `${method} document: data`],
    [`${method} hash: data`],
  ]) {
    const { data, error } = await client.query(query, {});
    assert.equal(error, undefined);
    assert.equal(data.viewer.user.id, ada.id);
    assert.deepEqual(sent(), expected);
  }
  done(`${method}: served by its hash once it was sent whole`);
}

await check("POST", gql`query ByPost { viewer { user { id } } }`);
await check("GET", gql`query ByGet { viewer { user { id name } } }`);
