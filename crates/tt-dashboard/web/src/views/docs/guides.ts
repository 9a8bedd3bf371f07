// The set-up of each client, with the address of this server and a name of the visitor's.

export interface Guide {
  id: string;
  title: string;
  /** What to know beside the code. */
  note?: string;
  snippets: { what: string; text: string }[];
}

/** The values that are filled into the snippets. */
export interface Values {
  /** The address of this server, as `https://llm.example.org`. */
  url: string;
  alias: string;
}

/** Stands for the API key, which is shown once and never again. */
export const KEY = "tt-…";

export function guides({ url, alias }: Values): Guide[] {
  return [
    {
      id: "curl",
      title: "curl",
      snippets: [
        {
          what: "Chat Completions with curl",
          text: `curl ${url}/v1/chat/completions \\
  -H "Authorization: Bearer ${KEY}" -H "Content-Type: application/json" \\
  -d '{"model":"${alias}","messages":[{"role":"user","content":"Hello!"}]}'`,
        },
      ],
    },
    {
      id: "openai-python",
      title: "OpenAI, Python",
      snippets: [
        {
          what: "the OpenAI SDK for Python",
          text: `from openai import OpenAI

client = OpenAI(base_url="${url}/v1", api_key="${KEY}")
answer = client.chat.completions.create(model="${alias}", messages=[{"role": "user", "content": "Hello!"}])
print(answer.choices[0].message.content, answer.usage)`,
        },
      ],
    },
    {
      id: "openai-js",
      title: "OpenAI, JavaScript",
      snippets: [
        {
          what: "the OpenAI SDK for JavaScript",
          text: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${url}/v1", apiKey: "${KEY}" });
const answer = await client.chat.completions.create({
  model: "${alias}",
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.choices[0].message.content, answer.usage);`,
        },
      ],
    },
    {
      id: "anthropic",
      title: "Anthropic",
      snippets: [
        {
          what: "the Anthropic SDK for Python",
          text: `from anthropic import Anthropic

client = Anthropic(base_url="${url}", api_key="${KEY}")
answer = client.messages.create(
    model="${alias}", max_tokens=1000, messages=[{"role": "user", "content": "Hello!"}]
)
print(answer.content[0].text, answer.usage)`,
        },
        {
          what: "the Anthropic SDK for JavaScript",
          text: `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "${url}", apiKey: "${KEY}" });
const answer = await client.messages.create({
  model: "${alias}",
  max_tokens: 1000,
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.content[0].text, answer.usage);`,
        },
      ],
    },
    {
      id: "gemini",
      title: "Gemini",
      snippets: [
        {
          what: "the Gemini SDK for Python",
          text: `from google import genai

client = genai.Client(api_key="${KEY}", http_options={"base_url": "${url}"})
answer = client.models.generate_content(model="${alias}", contents="Hello!")
print(answer.text, answer.usage_metadata)`,
        },
        {
          what: "the Gemini SDK for JavaScript",
          text: `import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({ apiKey: "${KEY}", httpOptions: { baseUrl: "${url}" } });
const answer = await client.models.generateContent({ model: "${alias}", contents: "Hello!" });
console.log(answer.text, answer.usageMetadata);`,
        },
      ],
    },
    {
      id: "langchain",
      title: "LangChain",
      snippets: [
        {
          what: "LangChain",
          text: `from langchain_openai import ChatOpenAI

model = ChatOpenAI(base_url="${url}/v1", api_key="${KEY}", model="${alias}")
print(model.invoke("Hello!").content)`,
        },
      ],
    },
    {
      id: "ai-sdk",
      title: "AI SDK",
      snippets: [
        {
          what: "the AI SDK",
          text: `import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";

const tokentracer = createOpenAI({ baseURL: "${url}/v1", apiKey: "${KEY}" });
const { text, usage } = await generateText({ model: tokentracer("${alias}"), prompt: "Hello!" });
console.log(text, usage);`,
        },
      ],
    },
    {
      id: "claude-code",
      title: "Claude Code",
      note: "It asks for models by names as claude-sonnet-4-5. An alias claude-* with the target model * passes them on to Anthropic; an alias * sends every name to a model of yours. Its sessions are listed under Sessions.",
      snippets: [{ what: "Claude Code", text: `ANTHROPIC_BASE_URL=${url} ANTHROPIC_API_KEY=${KEY} claude` }],
    },
    {
      id: "codex",
      title: "Codex CLI",
      note: "It asks for names as gpt-5: an alias gpt-* with the target model * passes them on to OpenAI.",
      snippets: [
        { what: "the settings of Codex, in ~/.codex/config.toml", text: `openai_base_url = "${url}/v1"` },
        { what: "Codex", text: `CODEX_API_KEY=${KEY} codex exec --model ${alias} 'Say hello'` },
      ],
    },
    {
      id: "gemini-cli",
      title: "Gemini CLI",
      note: "It asks once how to sign in: by an API key.",
      snippets: [
        {
          what: "Gemini CLI",
          text: `GOOGLE_GEMINI_BASE_URL=${url} GEMINI_API_KEY=${KEY} gemini --model ${alias}`,
        },
      ],
    },
    {
      id: "opencode",
      title: "OpenCode",
      snippets: [
        {
          what: "the settings of OpenCode, in opencode.json",
          text: `{
  "provider": {
    "tokentracer": {
      "npm": "@ai-sdk/openai-compatible",
      "options": { "baseURL": "${url}/v1", "apiKey": "${KEY}" },
      "models": { "${alias}": {} }
    }
  }
}`,
        },
        { what: "OpenCode", text: `opencode run --model tokentracer/${alias} 'Say hello'` },
      ],
    },
  ];
}
