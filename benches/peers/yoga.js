// GraphQL Yoga on node:http, with DataLoader, Redis and graphql-ws.
import http from 'node:http';
import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';
import {
  channelOf, HOST, need, peopleLoader, PORT, Query, REDIS, TaskByLoader, tasks, typeDefsWithSubscription, viewerOf,
  viewerOfSocket,
} from './common.js';

const publisher = new Redis(REDIS);
const subscriber = new Redis(REDIS);
const local = createPubSub();
subscriber.on('message', (channel, message) => local.publish(channel, JSON.parse(message)));

// Redis is asked once for each channel that anybody follows.
const followed = new Map();
function follow(channel) {
  if (!followed.has(channel)) followed.set(channel, subscriber.subscribe(channel));
  return followed.get(channel);
}

const schema = createSchema({
  typeDefs: typeDefsWithSubscription,
  resolvers: {
    Query,
    Mutation: {
      createTask: async (_, { title, assigneeId }, context) => {
        const task = await tasks.create(need(context), title, assigneeId);
        if (task.assignee_id) await publisher.publish(channelOf(task.assignee_id), JSON.stringify(task));
        return task;
      },
    },
    Subscription: {
      taskAssigned: {
        subscribe: async (_, __, context) => {
          const channel = channelOf(need(context));
          await follow(channel);
          return local.subscribe(channel);
        },
        resolve: (task) => task,
      },
    },
    Task: TaskByLoader,
  },
});

const yoga = createYoga({
  schema,
  logging: false,
  healthCheckEndpoint: '/readyz',
  context: ({ request }) => ({ viewer: viewerOf(request.headers.get('authorization')), people: peopleLoader() }),
});
const server = http.createServer(yoga);
useServer(
  { schema, context: ({ connectionParams }) => ({ viewer: viewerOfSocket(connectionParams), people: peopleLoader() }) },
  new WebSocketServer({ server, path: '/graphql' }),
);
server.listen(PORT, HOST);
