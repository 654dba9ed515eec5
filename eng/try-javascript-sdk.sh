#!/usr/bin/env bash
# Tries the official JavaScript SDK, as it is published, against a running embedding service. Needs node and npm.
# Usage: eng/try-javascript-sdk.sh ADDRESS KEY [MODEL]    for example: eng/try-javascript-sdk.sh http://127.0.0.1:5081/v1 "$(cat .data/admin.key)"
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/common.sh"

[ $# -ge 2 ] || die "usage: $(basename "$0") ADDRESS KEY [MODEL]"
for tool in node npm; do
  command -v "$tool" >/dev/null || die "$tool is missing: this check needs Node.js 20 or newer."
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}' >package.json
quietly npm install --no-audit --no-fund --no-save openai || die "the package openai cannot be installed."

cat >try.mjs <<'SCRIPT'
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, apiKey, wanted] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const models = [];
for await (const model of client.models.list()) models.push(model);
const model = wanted ?? models.find((m) => m.default).id;
const dimensions = models.find((m) => m.id === model).space.dimensions;
const text = "Grüße aus dem Büro: 猫 and a passage of the usual kind.";
const embed = (request, options) => client.embeddings.create({ model, ...request }, options);

async function check(name, work) {
  try {
    await work();
    console.log(`ok      ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

async function refused(name, work, status, param, code) {
  await check(name, () => assert.rejects(work, (error) => {
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    assert.equal(error.status, status);
    if (param !== undefined) assert.equal(error.param, param);
    if (code !== undefined) assert.equal(error.code, code);
    assert.equal(typeof error.type, "string");
    return true;
  }));
}

await check("models.list", () => assert.ok(models.every((m) => m.object === "model" && m.id && m.owned_by)));
for (const { id } of models) await check(`models.retrieve ${id}`, async () => assert.equal((await client.models.retrieve(id)).id, id));

let vector;
await check("a string, encoding of the SDK's choice (base64)", async () => {
  const answer = await embed({ input: text });
  vector = answer.data[0].embedding;
  assert.deepEqual([answer.object, answer.model, answer.data.length, answer.data[0].object, answer.data[0].index], ["list", model, 1, "embedding", 0]);
  assert.ok(Array.isArray(vector) && vector.length === dimensions && vector.every(Number.isFinite));
  assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.total_tokens === answer.usage.prompt_tokens);
});
await check("float says the same", async () => {
  const answer = await embed({ input: text, encoding_format: "float" });
  assert.deepEqual(answer.data[0].embedding.map(Math.fround), vector);
});
await check("base64 says the same", async () => {
  const bytes = Buffer.from((await embed({ input: text, encoding_format: "base64" })).data[0].embedding, "base64");
  assert.deepEqual(Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i)), vector);
});
await check("an array, in its order, with the same text twice", async () => {
  const answer = await embed({ input: ["first", text, "first", "last"], user: "somebody" });
  assert.deepEqual(answer.data.map((item) => item.index), [0, 1, 2, 3]);
  assert.deepEqual(answer.data[1].embedding, vector);
  assert.deepEqual(answer.data[0].embedding, answer.data[2].embedding);
  assert.notDeepEqual(answer.data[0].embedding, answer.data[3].embedding);
});
await check("a large batch", async () => {
  const answer = await embed({ input: Array.from({ length: 300 }, (_, i) => `text ${i}`) });
  assert.ok(answer.data.length === 300 && answer.data.every((item, i) => item.index === i && item.embedding.length === dimensions));
});
await check("dimensions of the model", async () => assert.equal((await embed({ input: text, dimensions })).data[0].embedding.length, dimensions));
await check("headers of the answer", async () => {
  const { response } = await embed({ input: text }).withResponse();
  assert.match(response.headers.get("x-rag-cache"), /^l1=\d+, l2=\d+, l3=\d+, joined=\d+, source=\d+$/);
});

await refused("dimensions beyond the model's", () => embed({ input: text, dimensions: dimensions + 1 }), 400, "dimensions");
await refused("an empty string", () => embed({ input: "" }), 400, "input");
await refused("an empty array", () => embed({ input: [] }), 400, "input");
await refused("too many texts", () => embed({ input: Array(2049).fill("x") }), 400, "input");
await refused("tokens", () => embed({ input: [1, 2, 3] }), 400, "input", "tokens_not_supported");
await refused("arrays of tokens", () => embed({ input: [[1, 2], [3]] }), 400, "input", "tokens_not_supported");
await refused("an unknown model", () => embed({ model: "no-such-model", input: text }), 404, "model", "model_not_found");
await refused("an unknown model's description", () => client.models.retrieve("no/such-model"), 404, "model", "model_not_found");
await refused("a wrong key", () => new OpenAI({ baseURL, apiKey: "wrong-key-0123456789", maxRetries: 0 }).embeddings.create({ model, input: text }), 401, undefined, "invalid_api_key");
SCRIPT
node try.mjs "$@" || die "the service did not do what the SDK expects."
