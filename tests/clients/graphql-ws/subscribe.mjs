// Subscribes to `taskAssigned` with the real graphql-ws client; see the README.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const QUERY = `subscription ($after: String) {
  taskAssigned(after: $after) {
    cursor
    assignedAt
    assignedBy { id name }
    task { id title }
  }
}`;

const [url, token, after] = process.argv.slice(2);
if (!url || !token) {
  fail("usage: subscribe.mjs URL TOKEN [AFTER]");
}

/** Tells when the subscription has left for the server, which the client has no event for. */
class ObservedWebSocket extends WebSocket {
  send(data) {
    super.send(data, (error) => {
      if (!error && JSON.parse(data).type === "subscribe") {
        process.stdout.write("ready\n");
      }
    });
  }
}

const client = createClient({
  url,
  webSocketImpl: ObservedWebSocket,
  connectionParams: { Authorization: `Bearer ${token}` },
  // A lost connection is for the test to see, not to be hidden by another one.
  retryAttempts: 0,
});

let leaving = false;
client.subscribe(
  { query: QUERY, variables: { after } },
  {
    next(result) {
      if (result.errors) {
        fail(JSON.stringify(result.errors));
      }
      process.stdout.write(`${JSON.stringify(result.data.taskAssigned)}\n`);
    },
    error(reason) {
      fail(describe(reason));
    },
    complete() {
      if (!leaving) {
        fail("the server completed the subscription");
      }
    },
  },
);

// Nobody writes to stdin: its end means that the test is over.
process.stdin.resume();
process.stdin.on("end", async () => {
  leaving = true;
  await client.dispose();
  process.exit(0);
});

/** A close event, GraphQL errors, or an error of the socket. */
function describe(reason) {
  if (typeof reason?.code === "number") {
    return `closed with ${reason.code}: ${reason.reason}`;
  }
  return reason?.message ?? JSON.stringify(reason);
}

function fail(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
