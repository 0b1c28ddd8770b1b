// Says what graphql-eslint finds in a schema, with its configurations for schemas and for Relay.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import graphql from "@graphql-eslint/eslint-plugin";
import { ESLint } from "eslint";

const RULES = {
  ...graphql.configs["flat/schema-recommended"].rules,
  ...graphql.configs["flat/schema-relay"].rules,

  // What is no object of its own has no id: payloads, pages, events, and these.
  "@graphql-eslint/strict-id-in-types": [
    "error",
    {
      exceptions: {
        suffixes: ["Connection", "Edge", "Event", "Payload"],
        types: [
          "ArtistLink",
          "DeliveryAttempt",
          "JobDelivery",
          "JobQueue",
          "JobStatistics",
          "PageInfo",
          "PasswordPolicy",
          "PasswordStrength",
          "ProjectMember",
          "Suppression",
          "TokenInfo",
          "UserError",
          "Viewer",
          "ChannelStats",
          "DeliveryStateCount",
          "NotificationDelivery",
          "NotificationPreference",
          "NotificationReceivedEvent",
          "NotificationSettings",
          "NotificationStats",
          "NotificationTypeChannels",
          "PhoneNumber",
          "QuietHours",
          "WebhookAttempt",
          "WebhookHeader",
        ],
      },
    },
  ],
  // Lists are read forward only. Relay's specification asks for one direction or both.
  "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
  // `userErrors` is short and has no pages, and `nodes` stands beside `edges`. A member of a project
  // is no object of its own: the person is. Whatever has an id is a Node, another test says.
  "@graphql-eslint/relay-edge-types": [
    "error",
    { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false },
  ],
  // It takes `username` for a "name" behind the type's own name. It is one word.
  "@graphql-eslint/no-typename-prefix": "off",
};

const root = fileURLToPath(new URL("../../../", import.meta.url));
const [schema] = process.argv.slice(2);
const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { "@graphql-eslint": graphql },
    rules: RULES,
  },
});
const results = await eslint.lintFiles([schema]);
assert.equal(results.length, 1);
// Warnings are among the messages.
for (const { line, ruleId, message } of results[0].messages) {
  console.log(`${line} ${ruleId}: ${message.split("\n", 1)}`);
}
console.log("end");
