import { useEffect } from "preact/hooks";
import { Code } from "../ui/copy";
import { Public } from "./public";

const REASONS = [
  [
    "Totals that add up",
    "Every request is a row with the tokens that the provider counted and their exact cost. Sums are integers of nano-dollars: the parts add up to the total.",
  ],
  [
    "Nothing hidden",
    "Requests without a price, of unknown usage or with estimated tokens are never counted as free. They stand beside every total.",
  ],
  [
    "One address for every client",
    "OpenAI Chat Completions and Responses, Anthropic Messages and Gemini, each in front of all three providers.",
  ],
  [
    "Names of your own",
    "An alias decides which model answers, what is tried when it fails, and which cheaper model takes the small requests.",
  ],
  [
    "Budgets that hold",
    "The worst case of a request is reserved before it is sent. Spent and reserved money never exceed the budget.",
  ],
  [
    "Your own server",
    "One program with its database inside. Prompts and answers are never stored, keys are encrypted.",
  ],
] as const;

export function Landing() {
  useEffect(() => {
    document.title = "TokenTracer";
  }, []);
  return (
    <Public>
      <div class="hero">
        <h1>An LLM proxy whose numbers match the bill.</h1>
        <p>Point your programs and coding agents at it, and see what each of them costs, to the last nano-dollar.</p>
        <div class="actions">
          <a class="button primary" href="/dashboard">
            Open the dashboard
          </a>
          <a class="button" href="/docs">
            Set up a client
          </a>
        </div>
      </div>
      <Code
        what="an example"
        text={`curl ${location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer tt-…" -H "Content-Type: application/json" \\
  -d '{"model":"fast","messages":[{"role":"user","content":"Hello!"}]}'`}
      />
      <div class="reasons">
        {REASONS.map(([title, text]) => (
          <section key={title}>
            <h2>{title}</h2>
            <p>{text}</p>
          </section>
        ))}
      </div>
    </Public>
  );
}
