// Apollo Server on Fastify, with DataLoader.
import { ApolloServer } from '@apollo/server';
import fastifyApollo from '@as-integrations/fastify';
import Fastify from 'fastify';
import Redis from 'ioredis';
import {
  channelOf, HOST, need, peopleLoader, PORT, Query, REDIS, TaskByLoader, tasks, typeDefs, viewerOf,
} from './common.js';

const redis = new Redis(REDIS);
const apollo = new ApolloServer({
  typeDefs,
  resolvers: {
    Query,
    Mutation: {
      createTask: async (_, { title, assigneeId }, context) => {
        const task = await tasks.create(need(context), title, assigneeId);
        if (task.assignee_id) await redis.publish(channelOf(task.assignee_id), JSON.stringify(task));
        return task;
      },
    },
    Task: TaskByLoader,
  },
});
await apollo.start();

const app = Fastify({ logger: false });
await app.register(fastifyApollo(apollo), {
  context: async (request) => ({ viewer: viewerOf(request.headers.authorization), people: peopleLoader() }),
});
app.get('/readyz', async () => 'ready');
await app.listen({ port: PORT, host: HOST });
