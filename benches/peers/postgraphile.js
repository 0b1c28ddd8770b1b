// PostGraphile straight over the tables: it makes the API itself, and one statement of each operation.
import http from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { HOST, PORT, viewerOf } from './common.js';

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({ connectionString: process.env.DATABASE_URL, schemas: ['public'], poolConfig: { max: 10 } }),
  ],
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
  grafast: {
    context: ({ node }, args) => ({
      ...args?.contextValue,
      viewer: viewerOf(node?.req?.headers?.authorization),
    }),
  },
});
await instance.getSchema();
const api = instance.createServ(grafserv).createHandler();
const server = http.createServer((request, response) => {
  if (request.url === '/readyz') response.end('ready');
  else api(request, response);
});
server.listen(PORT, HOST);
