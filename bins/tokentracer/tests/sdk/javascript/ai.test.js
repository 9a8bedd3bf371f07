// The ai package, with its OpenAI, Anthropic and Google providers, in front of each provider.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embed, embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { EMBEDDERS, HELLO, KEY, PROVIDERS, URL, model, words } from "./setup.js";

const openai = createOpenAI({ baseURL: `${URL}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${URL}/v1`, apiKey: KEY });
const google = createGoogleGenerativeAI({ baseURL: `${URL}/v1beta`, apiKey: KEY });
// A name with a slash is a whole path to the Google provider.
const DIALECTS = { chat: openai.chat, responses: openai.responses, anthropic, google: (name) => google(`models/${name}`) };

const city = z.object({ city: z.string() });

for (const [dialect, through] of Object.entries(DIALECTS)) {
  for (const provider of PROVIDERS) {
    test(`text through ${dialect} to ${provider}`, async () => {
      const answer = await generateText({ model: through(model(provider, "chunks-7")), prompt: HELLO, maxRetries: 0 });
      assert.equal(words(answer.text), 7);
      assert.equal(answer.usage.outputTokens, 7);
    });

    test(`a stream through ${dialect} to ${provider}`, async () => {
      const answer = streamText({ model: through(model(provider, "chunks-20")), prompt: HELLO, maxRetries: 0 });
      let text = "";
      for await (const delta of answer.textStream) text += delta;
      assert.equal(words(text), 20);
      assert.equal((await answer.usage).outputTokens, 20);
    });

    test(`tools through ${dialect} to ${provider}`, async () => {
      const asked = [];
      const weather = tool({
        description: "The weather.",
        inputSchema: city,
        execute: async (input) => (asked.push(input), "Rain."),
      });
      const answer = await generateText({
        model: through(model(provider)),
        prompt: "The weather in Paris?",
        tools: { weather },
        prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
        stopWhen: stepCountIs(3),
        maxRetries: 0,
      });
      assert.ok(asked.length > 0 && "city" in asked[0]);
      assert.ok(answer.text.length > 0);
    });

    test(`an object through ${dialect} to ${provider}`, async () => {
      const answer = await generateObject({ model: through(model(provider)), schema: city, prompt: HELLO, maxRetries: 0 });
      assert.equal(typeof answer.object.city, "string");
    });
  }
}

// A name with a slash is not a whole path here: the provider puts it behind `models/` itself.
const EMBEDDINGS = { openai: openai.embeddingModel, google: google.embeddingModel };

for (const [dialect, through] of Object.entries(EMBEDDINGS)) {
  for (const provider of EMBEDDERS) {
    test(`an embedding through ${dialect} of ${provider}`, async () => {
      const one = await embed({ model: through(model(provider)), value: "one two", maxRetries: 0 });
      assert.equal(one.embedding.length, 8);
      const values = ["one two", "three"];
      const several = await embedMany({ model: through(model(provider)), values, maxRetries: 0 });
      assert.equal(several.embeddings.length, 2);
      assert.deepEqual(several.embeddings[0], one.embedding);
    });
  }

  test(`a provider without embeddings through ${dialect}`, async () => {
    const asked = embed({ model: through(model("anthropic")), value: "one", maxRetries: 0 });
    await assert.rejects(asked, (error) => APICallError.isInstance(error) && error.statusCode === 400);
  });
}
