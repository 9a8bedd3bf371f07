// The @google/genai package in front of each provider.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { EMBEDDERS, HELLO, KEY, PROVIDERS, URL, WEATHER, model, words } from "./setup.js";

const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: URL } });
const { additionalProperties: _, ...parametersJsonSchema } = WEATHER;
const tools = [{ functionDeclarations: [{ name: "weather", description: "The weather.", parametersJsonSchema }] }];
const calling = (mode) => ({ tools, toolConfig: { functionCallingConfig: { mode } } });

for (const provider of PROVIDERS) {
  test(`generate to ${provider}`, async () => {
    const name = model(provider, "chunks-7-cached-100");
    const answer = await client.models.generateContent({ model: name, contents: HELLO });
    assert.equal(words(answer.text), 7);
    assert.equal(answer.usageMetadata.candidatesTokenCount, 7);
    assert.equal(answer.usageMetadata.cachedContentTokenCount, 100);
  });

  test(`a stream to ${provider}`, async () => {
    const chunks = [];
    const stream = await client.models.generateContentStream({ model: model(provider, "chunks-20"), contents: HELLO });
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(words(chunks.map((chunk) => chunk.text ?? "").join("")), 20);
    assert.equal(chunks.at(-1).usageMetadata.candidatesTokenCount, 20);
  });

  test(`a tool to ${provider}`, async () => {
    const asked = { role: "user", parts: [{ text: "The weather in Paris?" }] };
    const ask = (contents, mode) =>
      client.models.generateContent({ model: model(provider), contents, config: calling(mode) });
    const answer = await ask([asked], FunctionCallingConfigMode.ANY);
    const [call] = answer.functionCalls;
    assert.equal(call.name, "weather");
    assert.ok("city" in call.args);
    const response = { id: call.id, name: call.name, response: { output: "Rain." } };
    const history = [asked, answer.candidates[0].content, { role: "user", parts: [{ functionResponse: response }] }];
    assert.ok((await ask(history, FunctionCallingConfigMode.NONE)).text);
  });

  test(`tokens of ${provider} are counted`, async () => {
    const counted = await client.models.countTokens({ model: model(provider), contents: HELLO });
    assert.ok(counted.totalTokens > 0 && counted.totalTokens < 100);
  });

  test(`errors of ${provider} have their status`, async () => {
    const status = async (name) => {
      try {
        await client.models.generateContent({ model: name, contents: HELLO });
      } catch (error) {
        assert.ok(error instanceof ApiError);
        return error.status;
      }
    };
    assert.equal(await status(model(provider, "status-429")), 429);
    // An error of the client's own API comes back as it was.
    assert.equal(await status(model(provider, "status-500")), provider === "gemini" ? 500 : 502);
    assert.equal(await status("nothing"), 404);
  });
}

for (const provider of EMBEDDERS) {
  test(`embeddings of ${provider}`, async () => {
    const name = model(provider);
    const one = await client.models.embedContent({ model: name, contents: "one two" });
    const several = await client.models.embedContent({ model: name, contents: ["one two", "three"] });
    assert.deepEqual([one.embeddings.length, several.embeddings.length], [1, 2]);
    assert.deepEqual(several.embeddings[0].values, one.embeddings[0].values);
    const config = { outputDimensionality: 4, taskType: "RETRIEVAL_QUERY" };
    const short = await client.models.embedContent({ model: name, contents: "one two", config });
    assert.equal(short.embeddings[0].values.length, 4);
  });
}

test("a provider without embeddings", async () => {
  const asked = client.models.embedContent({ model: model("anthropic"), contents: "one" });
  await assert.rejects(asked, (error) => error instanceof ApiError && error.status === 400);
});
