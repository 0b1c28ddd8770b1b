// Verifies messages of webhooks as a receiver does, with the library of Standard Webhooks.
import assert from "node:assert/strict";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

/** Says that something has succeeded. */
const done = (what) => process.stdout.write(`${what}\n`);

/** Each message as it came, and the secrets that it was signed with. */
const { messages, stranger } = JSON.parse(process.env.MESSAGES);

for (const { headers, body, secrets } of messages) {
  for (const secret of secrets) {
    const payload = new Webhook(secret).verify(body, headers);
    assert.deepEqual(payload, JSON.parse(body));
    assert.equal(typeof payload.type, "string");
    assert.ok(!Number.isNaN(Date.parse(payload.timestamp)));
    done(`verified ${payload.type}`);
  }
}

const [{ headers, body, secrets }] = messages;
const ours = new Webhook(secrets[0]);
const refused = (webhook, text, changed) =>
  assert.throws(() => webhook.verify(text, { ...headers, ...changed }), WebhookVerificationError);

refused(new Webhook(stranger), body, {});
done("refused with another secret");
refused(ours, body.replace("Pump", "Dump"), {});
done("refused when the body was changed");
refused(ours, body, { "webhook-id": "msg_other" });
done("refused under another id");
const old = Number(headers["webhook-timestamp"]) - 3_600;
refused(ours, body, { "webhook-timestamp": `${old}` });
done("refused when it is old");
