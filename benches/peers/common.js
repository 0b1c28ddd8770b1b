// What every server here shares: the check of the token, the pool, the statements, the loader.
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import DataLoader from 'dataloader';
import { createVerifier } from 'fast-jwt';
import pg from 'pg';

export const PORT = Number(process.env.PORT);
export const HOST = '127.0.0.1';
export const REDIS = process.env.REDIS_URL;

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const verify = createVerifier({
  key: fs.readFileSync(process.env.JWT_PUBLIC_KEY_FILE),
  algorithms: ['EdDSA'],
  cache: 5000,
});

/** Who is signed in by this header; null without one. A bad token throws. */
export function viewerOf(header) {
  const found = /^Bearer (.+)$/i.exec(header ?? '');
  return found ? verify(found[1]).sub : null;
}

/** The same of what a client says when it opens a socket. */
export const viewerOfSocket = (params) => viewerOf(params?.Authorization ?? params?.authorization);

/** Who is signed in; somebody has to be. */
export function need(context) {
  if (!context.viewer) throw new Error('UNAUTHENTICATED');
  return context.viewer;
}

const COLUMNS = 'id, title, description, status, priority, creator_id, assignee_id, created_at';

// Named, so that a connection prepares each once.
const rows = async (name, text, values) => (await pool.query({ name, text, values })).rows;

export const tasks = {
  mine: (viewer, first) =>
    rows(
      'mine',
      `SELECT ${COLUMNS} FROM tasks WHERE assignee_id = $1 AND deleted_at IS NULL AND enabled
       ORDER BY created_at DESC, id DESC LIMIT $2`,
      [viewer, first],
    ),
  one: async (id) => {
    const found = await rows('one', `SELECT ${COLUMNS} FROM tasks WHERE id = $1 AND deleted_at IS NULL`, [id]);
    return found[0] ?? null;
  },
  create: async (creator, title, assignee) => {
    const made = await rows(
      'create',
      `INSERT INTO tasks (id, title, status, priority, enabled, due_order, creator_id, assignee_id,
         assignee_told, version, created_at, updated_at)
       VALUES ($1, $2, 'pending', 'medium', true, '9999-12-31T23:59:59Z', $3, $4, true, 1, now(), now())
       RETURNING ${COLUMNS}`,
      [randomUUID(), title, creator, assignee],
    );
    return made[0];
  },
};

/** The people of these ids, each in the place of its id. */
export async function people(ids) {
  const found = await rows('people', 'SELECT id, name FROM users WHERE id = ANY($1::uuid[])', [
    [...new Set(ids.filter(Boolean))],
  ]);
  const byId = new Map(found.map((user) => [user.id, user]));
  return ids.map((id) => byId.get(id) ?? null);
}

export const peopleLoader = () => new DataLoader(people);

/** The channel of what is assigned to somebody. */
export const channelOf = (user) => `assigned:${user}`;

const queries = `
  type User { id: ID! name: String! }
  type Task {
    id: ID! title: String! description: String status: String! priority: String! createdAt: String!
    assignee: User creator: User!
  }
  type Query { ping: String! task(id: ID!): Task myTasks(first: Int!): [Task!]! }
  type Mutation { createTask(title: String!, assigneeId: ID): Task! }
`;
export const typeDefs = queries;
export const typeDefsWithSubscription = `${queries} type Subscription { taskAssigned: Task! }`;

export const Query = {
  ping: () => 'pong',
  task: (_, { id }, context) => {
    need(context);
    return tasks.one(id);
  },
  myTasks: (_, { first }, context) => tasks.mine(need(context), first),
};

// From Redis it comes as text.
const createdAt = (task) => (task.created_at instanceof Date ? task.created_at.toISOString() : task.created_at);

/** A task with a loader for each request. */
export const TaskByLoader = {
  createdAt,
  assignee: (task, _, { people }) => (task.assignee_id ? people.load(task.assignee_id) : null),
  creator: (task, _, { people }) => people.load(task.creator_id),
};

/** A task whose people the server loads itself. */
export const Task = { createdAt };
