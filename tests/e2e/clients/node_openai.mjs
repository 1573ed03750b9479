// What calls of the official Node client come to.
//
// `node node_openai.mjs URL GUARDED_URL KEY` makes all checks against two servers of the default
// model and an embedder: one that asks for no key, and a guarded one that asks for KEY, runs one
// request and lets none wait. The client is found in the folder that NODE_CLIENTS names.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const folder = `${process.env.NODE_CLIENTS}/node_modules/openai`;
const { default: OpenAI } = await import(pathToFileURL(`${folder}/index.mjs`).href);

const MODEL = "smollm2:135m";
const CAPITAL = [{ role: "user", content: "What is the capital of France? One sentence." }];
const FRANCE = "The capital of France is";
const GREEDY = { model: MODEL, messages: CAPITAL, temperature: 0 };

const [url, guardedUrl, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: "any", maxRetries: 0 });
const guarded = (apiKey) => new OpenAI({ baseURL: guardedUrl, apiKey, maxRetries: 0 });

const checks = {
  async create() {
    const { data, request_id } = await client.chat.completions.create(GREEDY).withResponse();
    assert.match(data.choices[0].message.content, /Paris/);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(
      data.usage.total_tokens,
      data.usage.prompt_tokens + data.usage.completion_tokens,
    );
    assert.match(request_id, /^req_/);
  },

  async stream() {
    const whole = await client.chat.completions.create(GREEDY);
    const stream = await client.chat.completions.create({
      ...GREEDY,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let last = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      last = chunk;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
  },

  async "stream helper"() {
    const whole = await client.chat.completions.create(GREEDY);
    const texts = [];
    const stream = client.chat.completions.stream(GREEDY);
    stream.on("content", (delta) => texts.push(delta));
    const final = await stream.finalChatCompletion();
    assert.ok(texts.length > 3);
    assert.equal(texts.join(""), final.choices[0].message.content);
    assert.deepEqual(final.choices[0].message.content, whole.choices[0].message.content);
    assert.equal(final.choices[0].message.role, "assistant");
    assert.equal(final.choices[0].finish_reason, "stop");
  },

  async "stream helper with two choices"() {
    const ask = {
      ...GREEDY,
      temperature: 1.2,
      seed: 5,
      n: 2,
      stop: [".", ","], // the helper takes an answer cut by its length for a failure
    };
    const whole = await client.chat.completions.create(ask);
    const final = await client.chat.completions.stream(ask).finalChatCompletion();
    assert.deepEqual(
      final.choices.map((choice) => [choice.index, choice.message.content]),
      whole.choices.map((choice) => [choice.index, choice.message.content]),
    );
    assert.equal(final.choices.length, 2);
    assert.deepEqual(final.choices.map((choice) => choice.message.role), ["assistant", "assistant"]);
    assert.deepEqual(final.choices.map((choice) => choice.finish_reason), ["stop", "stop"]);
  },

  async "stream helper with logprobs"() {
    const ask = { ...GREEDY, logprobs: true, top_logprobs: 2 };
    const whole = await client.chat.completions.create(ask);
    const final = await client.chat.completions.stream(ask).finalChatCompletion();
    const tokens = (reply) => reply.choices[0].logprobs.content.map((item) => item.token);
    assert.deepEqual(tokens(final), tokens(whole));
    assert.equal(tokens(whole).join(""), whole.choices[0].message.content);
  },

  async "parse without a schema"() {
    const reply = await client.chat.completions.parse(GREEDY);
    assert.match(reply.choices[0].message.content, /Paris/);
    assert.equal(reply.choices[0].message.parsed, null);
  },

  async completions() {
    const ask = { model: MODEL, prompt: FRANCE, temperature: 0, max_tokens: 4 };
    const whole = await client.completions.create(ask);
    assert.match(whole.choices[0].text, /Paris/);
    let text = "";
    for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
      text += chunk.choices[0].text;
    }
    assert.equal(text, whole.choices[0].text);
    const echoed = await client.completions.create({ ...ask, echo: true, logprobs: 1 });
    assert.equal(echoed.choices[0].text, FRANCE + text);
    assert.equal(echoed.choices[0].logprobs.token_logprobs[0], null);
    assert.equal(echoed.choices[0].logprobs.tokens.join(""), echoed.choices[0].text);
  },

  async embeddings() {
    const ask = { model: "all-minilm", input: ["why is the sky blue?", "why is the grass green?"] };
    const byDefault = await client.embeddings.create(ask);
    const plain = await client.embeddings.create({ ...ask, encoding_format: "float" });
    assert.deepEqual(
      byDefault.data.map((item) => [item.index, [...item.embedding]]),
      plain.data.map((item) => [item.index, item.embedding]),
    );
    for (const item of byDefault.data) {
      const squares = item.embedding.reduce((sum, value) => sum + value * value, 0);
      assert.ok(Math.abs(squares - 1) < 1e-5);
    }
    assert.ok(byDefault.usage.prompt_tokens > 10);
  },

  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes(MODEL));
    assert.equal((await client.models.retrieve(MODEL)).owned_by, "library");
  },

  async errors() {
    for (const stream of [false, true]) {
      const error = await failure(
        client.chat.completions.create({ ...GREEDY, temperature: 3, stream }),
      );
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.deepEqual([error.status, error.param, error.code], [400, "temperature", "invalid_value"]);
      assert.equal(error.type, "invalid_request_error");
      assert.match(error.requestID, /^req_/);
    }
    const unknown = await failure(client.chat.completions.create({ ...GREEDY, model: "gpt-99" }));
    assert.ok(unknown instanceof OpenAI.NotFoundError);
    assert.equal(unknown.code, "model_not_found");
    const missing = await failure(client.models.retrieve("no/such:model"));
    assert.ok(missing instanceof OpenAI.NotFoundError);
    const stranger = await failure(guarded("wrong").chat.completions.create(GREEDY));
    assert.ok(stranger instanceof OpenAI.AuthenticationError);
    assert.equal(stranger.code, "invalid_api_key");
  },

  async "calls of tools, whole and streamed"() {
    const parameters = {
      type: "object",
      properties: { city: { type: "string", maxLength: 30 } },
      required: ["city"],
    };
    const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
    const ask = { ...GREEDY, tools, tool_choice: "required", max_tokens: 300 };
    const whole = (await client.chat.completions.create(ask)).choices[0];
    assert.equal(whole.finish_reason, "tool_calls");
    assert.equal(whole.message.content, null);
    const stream = client.chat.completions.stream(ask);
    const streamed = (await stream.finalChatCompletion()).choices[0];
    const calls = (choice) => choice.message.tool_calls.map((call) => call.function);
    assert.deepEqual(
      calls(streamed).map(({ name, arguments: text }) => [name, text]),
      calls(whole).map(({ name, arguments: text }) => [name, text]),
    );
    for (const call of calls(whole)) {
      assert.deepEqual(Object.keys(JSON.parse(call.arguments)), ["city"]);
    }
  },

  async "functions that the client runs itself"() {
    const asked = [];
    const tool = {
      type: "function",
      function: {
        name: "population",
        description: "How many people live in a city",
        parameters: {
          type: "object",
          properties: { city: { type: "string", maxLength: 30 } },
          required: ["city"],
        },
        parse: JSON.parse,
        function: ({ city }) => {
          asked.push(city);
          return "2 million";
        },
      },
    };
    const runner = client.chat.completions.runTools({
      ...GREEDY,
      tools: [tool],
      tool_choice: { type: "function", function: { name: "population" } },
      max_tokens: 100,
    });
    const answer = await runner.finalFunctionToolCallResult();
    assert.equal(answer, "2 million");
    assert.equal(asked.length, 1);
  },

  async "a full queue and retries"() {
    const known = guarded(key);
    const stream = await known.completions.create({
      model: MODEL,
      prompt: "Once upon a time",
      max_tokens: 490,
      ignore_eos: true,
      stream: true,
    });
    await stream[Symbol.asyncIterator]().next();
    const refused = await failure(known.chat.completions.create(GREEDY));
    assert.ok(refused instanceof OpenAI.RateLimitError);
    assert.equal(refused.code, "queue_full");
    // The client's own first pause is at most half a second, and the slot is free long before.
    const started = performance.now();
    setTimeout(() => stream.controller.abort(), 200);
    const reply = await known.completions.create(
      { model: MODEL, prompt: FRANCE, temperature: 0, max_tokens: 1 },
      { maxRetries: 2 },
    );
    assert.equal(reply.choices[0].text, " Paris");
    assert.ok(performance.now() - started >= 990);
  },
};

async function failure(promise) {
  const settled = await promise.then(
    () => null,
    (error) => error,
  );
  assert.ok(settled !== null, "the call should have failed");
  return settled;
}

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`passed: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`failed: ${name}\n${error.stack}`);
  }
}
process.exitCode = failed ? 1 : 0;
