// The calls that users of local models start from, in JavaScript.
//
// `node node_examples.mjs URL`; the client is found in the folder that NODE_CLIENTS names.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const folder = `${process.env.NODE_CLIENTS}/node_modules/openai`;
const { default: OpenAI } = await import(pathToFileURL(`${folder}/index.mjs`).href);

const openai = new OpenAI({ baseURL: process.argv[2], apiKey: "ollama" });

const chat = await openai.chat.completions.create({
  messages: [{ role: "user", content: "Say this is a test" }],
  model: "llama3.2",
});
assert.equal(chat.model, "llama3.2");
assert.ok(chat.choices[0].message.content.length > 0);

const completion = await openai.completions.create({
  model: "llama3.2",
  prompt: "Say this is a test.",
});
assert.equal(completion.object, "text_completion");
assert.equal(completion.usage.completion_tokens > 0, true);

const list = await openai.models.list();
assert.ok(list.data.some((model) => model.id.startsWith("llama3.2")));

const model = await openai.models.retrieve("llama3.2");
assert.equal(model.object, "model");

const embedding = await openai.embeddings.create({
  model: "all-minilm",
  input: ["why is the sky blue?", "why is the grass green?"],
});
assert.equal(embedding.data.length, 2);
assert.ok(embedding.data.every((item) => item.embedding.every(Number.isFinite)));

console.log("all examples passed");
