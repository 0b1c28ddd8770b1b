// Mercurius on Fastify, with its JIT, its loaders and its Redis emitter: the quickest choice on Node.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import mqRedis from 'mqemitter-redis';
import {
  channelOf, HOST, need, people, PORT, Query, REDIS, Task, tasks, typeDefsWithSubscription, viewerOf, viewerOfSocket,
} from './common.js';

const app = Fastify({ logger: false });
const redis = new URL(REDIS);

app.register(mercurius, {
  schema: typeDefsWithSubscription,
  jit: 1,
  context: (request) => ({ viewer: viewerOf(request.headers.authorization) }),
  resolvers: {
    Query,
    Mutation: {
      createTask: async (_, { title, assigneeId }, context) => {
        const task = await tasks.create(need(context), title, assigneeId);
        if (task.assignee_id) {
          const topic = channelOf(task.assignee_id);
          await context.pubsub.publish({ topic, payload: { taskAssigned: task } });
        }
        return task;
      },
    },
    Subscription: {
      taskAssigned: { subscribe: (_, __, context) => context.pubsub.subscribe(channelOf(need(context))) },
    },
    Task,
  },
  loaders: {
    Task: {
      assignee: { loader: (queries) => people(queries.map(({ obj }) => obj.assignee_id)), opts: { cache: false } },
      creator: { loader: (queries) => people(queries.map(({ obj }) => obj.creator_id)), opts: { cache: false } },
    },
  },
  subscription: {
    emitter: mqRedis({ host: redis.hostname, port: Number(redis.port) }),
    onConnect: ({ payload }) => ({ viewer: viewerOfSocket(payload) }),
    context: () => ({}),
  },
});
app.get('/readyz', async () => 'ready');
await app.listen({ port: PORT, host: HOST });
