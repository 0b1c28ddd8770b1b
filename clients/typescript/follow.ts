// Follows `taskAssigned` or `taskChanged` and misses nothing: it goes on after the last event whenever
// the connection is new, brings each event once, and says when the list has to be read anew.
import type { Client } from "graphql-ws";

/** What every event of a subscription has; the document must select it. */
export interface WithCursor {
  cursor: string;
}

/** Why a field is null that is not in truth. */
export interface FieldError {
  message: string;
  path?: readonly (string | number)[] | undefined;
}

export interface Following<Event extends WithCursor> {
  /**
   * A client of `graphql-ws`. It connects again by itself: give it `retryAttempts: Infinity` and
   * `shouldRetry: () => true`, and `connectionParams` that try again instead of failing.
   */
  client: Client;
  /** A subscription with one field, the variable `$after: String`, and `cursor` selected. */
  query: string;
  /** The other variables. */
  variables?: Record<string, unknown>;
  /** The `eventCursor` that was read before the list, or the cursor of the last event. */
  after: string;
  /**
   * Is given each event once, in order. `event.cursor` is what to keep for another day. `errors` say which
   * fields could not be read and are null for that reason: read them anew.
   */
  next: (event: Event, errors?: readonly FieldError[]) => void;
  /** What came after the cursor is not kept any more: read `eventCursor`, then the list, and answer the cursor. */
  expired: () => Promise<string>;
  /** It is over: what is followed is not there, the document is not good, `expired` failed. */
  failed: (reason: unknown) => void;
  /** How long to wait before it goes on after the server ended it, in milliseconds. */
  pause?: number;
}

/** How many cursors are remembered to know again what comes twice. */
const REMEMBERED = 1000;

/** Begins to follow; answers what ends it. */
export function follow<Event extends WithCursor>(following: Following<Event>): () => void {
  const { client, query, next, expired, failed, pause = 1000 } = following;
  const seen = new Set<string>();
  let after = following.after;
  let stopped = false;
  let leave = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;

  function stop() {
    stopped = true;
    clearTimeout(timer);
    leave();
  }

  function fail(reason: unknown) {
    if (stopped) return;
    stop();
    failed(reason);
  }

  function take(event: Event, errors?: readonly FieldError[]) {
    if (typeof event.cursor !== "string") throw new Error("the document does not select `cursor`");
    if (stopped || seen.has(event.cursor)) return;
    next(event, errors);
    after = event.cursor;
    seen.add(after);
    const [oldest] = seen;
    if (oldest !== undefined && seen.size > REMEMBERED) seen.delete(oldest);
  }

  async function beginAnew() {
    try {
      after = await expired();
      seen.clear();
    } catch (reason) {
      fail(reason);
      return;
    }
    listen();
  }

  function listen() {
    if (stopped) return;
    leave = client.subscribe<Record<string, Event | null>>(
      {
        query,
        // Read whenever the client subscribes again on a new connection.
        get variables() {
          return { ...following.variables, after };
        },
      },
      {
        next({ data, errors }) {
          // An error in between ends the subscription; it is told again when it begins again.
          const event = Object.values(data ?? {})[0];
          if (!event) return;
          try {
            take(event, errors);
          } catch (reason) {
            fail(reason);
          }
        },
        error(reason) {
          if (stopped) return;
          if (isExpired(reason)) void beginAnew();
          else fail(reason);
        },
        complete() {
          if (!stopped) timer = setTimeout(listen, pause);
        },
      },
    );
  }

  listen();
  return stop;
}

/** Whether the reason is a list of GraphQL errors that says `CURSOR_EXPIRED`. */
function isExpired(reason: unknown): boolean {
  return (
    Array.isArray(reason) && reason.some((error) => error?.extensions?.code === "CURSOR_EXPIRED")
  );
}
