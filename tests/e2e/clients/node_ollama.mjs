// Every call of Ollama's JavaScript client.
//
// `node node_ollama.mjs URL`; the client is found in the folder that NODE_CLIENTS names.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const folder = `${process.env.NODE_CLIENTS}/node_modules/ollama`;
const { Ollama } = await import(pathToFileURL(`${folder}/dist/index.mjs`).href);

const ollama = new Ollama({ host: process.argv[2] });
const model = "smollm2:135m";
const options = { temperature: 0, num_predict: 24 };
const messages = [{ role: "user", content: "What is the capital of France? Answer in one sentence." }];

async function check(name, body) {
  await body();
  console.log(`passed: ${name}`);
}

async function refused(status, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.status_code, status, `${error}`);
    return true;
  });
}

await check("chat, whole and as a stream", async () => {
  const whole = await ollama.chat({ model, messages, options });
  assert.match(whole.message.content, /Paris/);
  assert.ok(whole.total_duration > 0 && whole.eval_count > 0);
  let text = "";
  let last;
  for await (const part of await ollama.chat({ model, messages, options, stream: true })) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, whole.message.content);
  assert.equal(last.done_reason, whole.done_reason);
});

await check("generate", async () => {
  const prompt = messages[0].content;
  const whole = await ollama.generate({ model, prompt, options });
  assert.match(whole.response, /Paris/);
  const limited = await ollama.generate({ model, prompt, options: { num_predict: 2 } });
  assert.deepEqual([limited.eval_count, limited.done_reason], [2, "length"]);
});

await check("a stream that is given up", async () => {
  const stream = await ollama.generate({ model, prompt: "Count to a thousand.", stream: true });
  await assert.rejects(async () => {
    for await (const part of stream) {
      assert.equal(part.done, false);
      ollama.abort();
    }
  }, { name: "AbortError" });
});

await check("a format", async () => {
  const format = {
    type: "object",
    properties: { city: { type: "string", maxLength: 9 } },
    required: ["city"],
    additionalProperties: false,
  };
  const held = await ollama.chat({ model, messages, format, options });
  assert.deepEqual(Object.keys(JSON.parse(held.message.content)), ["city"]);
});

await check("tools", async () => {
  const parameters = { type: "object", required: ["a"], properties: { a: { type: "integer" } } };
  const tools = [{ type: "function", function: { name: "double", description: "", parameters } }];
  const answer = await ollama.chat({ model, messages, tools, options });
  for (const call of answer.message.tool_calls ?? []) {
    assert.equal(typeof call.function.arguments.a, "number");
  }
  const called = { role: "assistant", content: "", tool_calls: [{ function: { name: "double", arguments: { a: 2 } } }] };
  const result = { role: "tool", tool_name: "double", content: "4" };
  const after = await ollama.chat({ model, messages: [...messages, called, result], tools, options });
  assert.ok(after.prompt_eval_count > answer.prompt_eval_count);
});

await check("embed and embeddings", async () => {
  const { embeddings } = await ollama.embed({ model: "all-minilm", input: ["sky", "grass"] });
  assert.equal(embeddings.length, 2);
  const { embedding } = await ollama.embeddings({ model: "all-minilm", prompt: "sky" });
  assert.equal(embedding.length, embeddings[0].length);
});

await check("list, show, ps, version", async () => {
  const { models } = await ollama.list();
  assert.ok(models.some((each) => each.name === model));
  const shown = await ollama.show({ model });
  assert.equal(shown.details.format, "onnx");
  await ollama.generate({ model, prompt: "" });
  assert.ok((await ollama.ps()).models.some((each) => each.name === model));
  assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/);
});

await check("create, copy, delete", async () => {
  const made = await ollama.create({ model: "parrot", from: model, system: "Say Polly." });
  assert.equal(made.status, "success");
  assert.equal((await ollama.copy({ source: "parrot", destination: "parrot2" })).status, "success");
  assert.equal((await ollama.show({ model: "parrot2" })).system, "Say Polly.");
  for (const name of ["parrot", "parrot2"]) {
    assert.equal((await ollama.delete({ model: name })).status, "success");
  }
  await refused(404, () => ollama.show({ model: "parrot" }));
  await refused(400, () => ollama.create({ model: "parrot", from: model, quantize: "q4_0" }));
});

await check("pull, of what is there", async () => {
  const statuses = [];
  for await (const part of await ollama.pull({ model, stream: true })) statuses.push(part.status);
  assert.deepEqual(statuses, ["pulling manifest", "success"]);
  await assert.rejects(() => ollama.pull({ model: "no-such-model" }), /no model is called/);
});

await check("refusals", async () => {
  await refused(501, () => ollama.push({ model }));
  await refused(404, () => ollama.chat({ model: "no-such-model", messages }));
  await refused(400, () => ollama.chat({ model, messages, options: { num_gpu: 1 } }));
  await refused(400, () => ollama.chat({ model, messages, think: true }));
});
