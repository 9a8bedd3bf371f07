// The openai package in front of each provider.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { EMBEDDERS, HELLO, KEY, PROVIDERS, URL, WEATHER, model, words } from "./setup.js";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: HELLO }];
const tools = [{ type: "function", function: { name: "weather", description: "The weather.", parameters: WEATHER } }];

for (const provider of PROVIDERS) {
  test(`chat to ${provider}`, async () => {
    const answer = await client.chat.completions.create({ model: model(provider, "chunks-7-cached-100"), messages });
    assert.equal(words(answer.choices[0].message.content), 7);
    assert.equal(answer.usage.completion_tokens, 7);
    assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 100);
  });

  test(`the stream helper of chat to ${provider}`, async () => {
    const stream = client.chat.completions.stream({
      model: model(provider, "chunks-20"),
      messages,
      stream_options: { include_usage: true },
    });
    let deltas = 0;
    stream.on("content", () => (deltas += 1));
    const final = await stream.finalChatCompletion();
    assert.equal(words(final.choices[0].message.content), 20);
    assert.equal(final.usage.completion_tokens, 20);
    assert.ok(deltas > 1);
  });

  test(`a tool of chat to ${provider}`, async () => {
    const ask = { model: model(provider), tools };
    const stream = client.chat.completions.stream({ ...ask, messages, tool_choice: "required" });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    const [call] = message.tool_calls;
    assert.deepEqual([finish_reason, call.function.name], ["tool_calls", "weather"]);
    assert.ok("city" in JSON.parse(call.function.arguments));
    const result = { role: "tool", tool_call_id: call.id, content: "Rain." };
    const history = [...messages, message, result];
    const answer = await client.chat.completions.create({ ...ask, messages: history, tool_choice: "none" });
    assert.ok(answer.choices[0].message.content);
  });

  test(`responses to ${provider}`, async () => {
    const answer = await client.responses.create({ model: model(provider, "chunks-7"), input: HELLO, store: false });
    assert.equal(words(answer.output_text), 7);
    assert.equal(answer.usage.output_tokens, 7);
  });

  test(`the stream helper of responses to ${provider}`, async () => {
    const stream = client.responses.stream({ model: model(provider, "chunks-20"), input: HELLO, store: false });
    let deltas = 0;
    stream.on("response.output_text.delta", () => (deltas += 1));
    const final = await stream.finalResponse();
    assert.equal(words(final.output_text), 20);
    assert.ok(deltas > 1);
  });

  test(`errors of ${provider} have types`, async () => {
    const ask = (name) => client.chat.completions.create({ model: name, messages });
    await assert.rejects(ask(model(provider, "status-429")), OpenAI.RateLimitError);
    await assert.rejects(ask(model(provider, "status-500")), OpenAI.InternalServerError);
    await assert.rejects(ask("nothing"), OpenAI.NotFoundError);
  });

  test(`a stream of ${provider} that breaks throws`, async () => {
    const name = model(provider, "chunks-20-cut-after-6");
    const stream = await client.chat.completions.create({ model: name, messages, tools, stream: true });
    await assert.rejects(async () => {
      for await (const _ of stream);
    }, OpenAI.APIError);
  });
}

for (const provider of EMBEDDERS) {
  test(`embeddings of ${provider}`, async () => {
    const ask = { model: model(provider), input: ["one two", "three"] };
    const floats = await client.embeddings.create({ ...ask, encoding_format: "float" });
    assert.deepEqual([floats.data.length, floats.usage.prompt_tokens], [2, 3]);
    // The library asks for base64 where nothing is said, and decodes it.
    const decoded = await client.embeddings.create(ask);
    assert.deepEqual(decoded.data[0].embedding, floats.data[0].embedding);
    const short = await client.embeddings.create({ ...ask, input: "one two", dimensions: 4 });
    assert.equal(short.data[0].embedding.length, 4);
  });
}

test("a provider without embeddings", async () => {
  const asked = client.embeddings.create({ model: model("anthropic"), input: "one" });
  await assert.rejects(asked, (error) => error instanceof OpenAI.BadRequestError && error.param === "model");
});
