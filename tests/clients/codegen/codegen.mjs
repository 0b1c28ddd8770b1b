// Types for the documents of `app.ts`, made from the schema with the client preset.

/** @type {import("@graphql-codegen/cli").CodegenConfig} */
export default {
  schema: "../../../schema.graphql",
  documents: ["app.ts"],
  generates: {
    "gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: { unmaskFunctionName: "readFragment" } },
      config: {
        scalars: { DateTime: "string", Date: "string" },
        // A scalar that is not named above is an error, not `any`.
        strictScalars: true,
        useTypeImports: true,
        nonOptionalTypename: true,
      },
    },
  },
};
