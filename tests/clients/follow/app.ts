// The example of docs/API.md, as a program that is only checked.
import { createClient } from "graphql-ws";

import { follow } from "../../../clients/typescript/follow.ts";

declare function freshAccessToken(): Promise<string>;
declare function readEventCursor(): Promise<string>;
declare function readList(): Promise<void>;
declare function show(title: string): void;

interface Assigned {
  cursor: string;
  assignedAt: string;
  task: { id: string; title: string } | null;
}

const client = createClient({
  url: "wss://tasks.example.org/graphql",
  connectionParams: async () => ({ Authorization: `Bearer ${await freshAccessToken()}` }),
  retryAttempts: Infinity,
  shouldRetry: () => true,
});

async function begin(): Promise<string> {
  const cursor = await readEventCursor();
  await readList();
  return cursor;
}

const stop = follow<Assigned>({
  client,
  query: `subscription ($after: String) {
    taskAssigned(after: $after) { cursor assignedAt task { id title } }
  }`,
  after: await begin(),
  next: (event) => show(event.task?.title ?? "gone"),
  expired: begin,
  failed: (reason) => console.error(reason),
});

// @ts-expect-error Every event has a cursor.
follow<{ id: string }>({ client });

addEventListener("pagehide", stop);
