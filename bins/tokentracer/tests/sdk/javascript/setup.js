// A running TokenTracer with a mock of each provider behind it, and the key to use it with.

export const URL = process.env.TOKENTRACER_URL;
export const KEY = process.env.TOKENTRACER_API_KEY;

export const PROVIDERS = ["openai", "anthropic", "gemini"];
/** The providers that have embeddings. */
export const EMBEDDERS = ["openai", "gemini"];

export const HELLO = "Hello there, how are you?";

export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

/** A model of the mock: `model("openai", "reasoning-50")` answers with 50 tokens of reasoning. */
export const model = (provider, words = "small") => `${provider}/mock-${words}`;

export const words = (text) => text.trim().split(/\s+/).length;
