// Monaco asks here for its workers. They are files of this build; index.html
// says where (build.mjs writes the names).
const { editorWorker, jsonWorker, graphqlWorker } = document.getElementById("graphiql").dataset;
const urls = { json: jsonWorker, graphql: graphqlWorker };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(urls[label] ?? editorWorker, { type: "module", name: label }),
};
