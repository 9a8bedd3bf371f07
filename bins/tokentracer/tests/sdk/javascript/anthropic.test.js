// The @anthropic-ai/sdk package in front of each provider.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { HELLO, KEY, PROVIDERS, URL, WEATHER, model, words } from "./setup.js";

const client = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: HELLO }];
const tools = [{ name: "weather", description: "The weather.", input_schema: WEATHER }];

for (const provider of PROVIDERS) {
  test(`messages to ${provider}`, async () => {
    const name = model(provider, "chunks-7-cached-100");
    const answer = await client.messages.create({ model: name, max_tokens: 100, messages });
    assert.equal(words(answer.content[0].text), 7);
    assert.deepEqual([answer.usage.output_tokens, answer.usage.cache_read_input_tokens], [7, 100]);
  });

  test(`the stream helper to ${provider}`, async () => {
    const stream = client.messages.stream({ model: model(provider, "chunks-20"), max_tokens: 100, messages });
    let deltas = 0;
    stream.on("text", () => (deltas += 1));
    const final = await stream.finalMessage();
    assert.equal(words(final.content[0].text), 20);
    assert.equal(final.usage.output_tokens, 20);
    assert.ok(deltas > 1);
  });

  test(`three rounds of tools with thinking to ${provider}`, async () => {
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const history = [...messages];
    for (let round = 0; round < 3; round += 1) {
      const name = model(provider, "reasoning-50");
      const stream = client.messages.stream({ model: name, max_tokens: 2048, messages: history, tools, thinking });
      const answer = await stream.finalMessage();
      const calls = answer.content.filter((block) => block.type === "tool_use");
      history.push({ role: "assistant", content: answer.content });
      const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "Rain." }));
      history.push({ role: "user", content: [...results, { type: "text", text: "And tomorrow?" }] });
    }
  });

  test(`tokens of ${provider} are counted`, async () => {
    const counted = await client.messages.countTokens({ model: model(provider), messages });
    assert.ok(counted.input_tokens > 0 && counted.input_tokens < 100);
  });

  test(`errors of ${provider} have types`, async () => {
    const ask = (name) => client.messages.create({ model: name, max_tokens: 100, messages });
    await assert.rejects(ask(model(provider, "status-429")), Anthropic.RateLimitError);
    await assert.rejects(ask(model(provider, "status-500")), Anthropic.InternalServerError);
    await assert.rejects(ask("nothing"), Anthropic.NotFoundError);
  });

  test(`a stream of ${provider} that breaks throws`, async () => {
    const name = model(provider, "chunks-20-cut-after-6");
    const stream = client.messages.stream({ model: name, max_tokens: 100, messages });
    await assert.rejects(stream.finalMessage());
  });
}

test("models are listed", async () => {
  const ids = [];
  for await (const listed of client.models.list()) ids.push(listed.id);
  assert.ok(ids.includes("demo"));
});
