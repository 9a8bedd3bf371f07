// The server under test, as its API shows it.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export const URL = process.env.TOKENTRACER_URL;

/** The password of every user of these tests. */
export const PASSWORD = "correct horse battery";

/** Calls the API. Throws for an answer that is no success. */
export async function call(method, path, { token, body, headers } = {}) {
  const response = await fetch(URL + path, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  // Past the limit of calls a minute and user, which a fast machine reaches.
  const wait = Number(response.headers.get("retry-after"));
  if (response.status === 429 && wait <= 60) {
    await sleep(1000 * wait);
    return call(method, path, { token, body, headers });
  }
  if (!response.ok)
    throw Object.assign(new Error(`${method} ${path}: ${response.status} ${text}`), { status: response.status });
  return text;
}

export async function json(method, path, options) {
  const text = await call(method, path, options);
  return text === "" ? null : JSON.parse(text);
}

let users = 0;

/** A new user, with a session. */
export async function newUser(name = "user") {
  users += 1;
  const email = `${name}-${process.pid}-${users}@example.org`;
  await call("POST", "/auth/signup", { body: { email, password: PASSWORD } });
  return { email, token: await signIn(email) };
}

export async function signIn(email, password = PASSWORD) {
  const { token } = await json("POST", "/auth/login", { body: { email, password } });
  return token;
}

/** Makes a user an administrator, as an operator does. */
export async function promote(email) {
  const environment = { ...process.env, LD_PRELOAD: "" };
  await promisify(execFile)(process.env.TOKENTRACER_BINARY, ["users", "promote", email], { env: environment });
}

/** The keys that the mock takes. */
const MOCK_KEYS = { openai: "sk-mock-browser", anthropic: "sk-ant-mock-browser", gemini: "AIzaMockBrowser" };

export async function addProviderKey(token, provider = "openai", label = "main") {
  const { id } = await json("POST", "/manage/providers", {
    token,
    body: { provider, api_key: MOCK_KEYS[provider], label },
  });
  return id;
}

export async function addAlias(token, alias, target, key, more = {}) {
  const body = { alias, target_model: target, provider_key_id: key, ...more };
  return json("POST", "/manage/aliases", { token, body });
}

/** Sends a request through the proxy. An answer with an error is an answer. */
export async function chat(token, model, { words = 3, stream = false, tags, agent, session, text } = {}) {
  const content = text ?? Array.from({ length: words }, (_, index) => `word${index % 50}`).join(" ");
  const response = await fetch(`${URL}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      ...(tags && { "x-tokentracer-tags": tags }),
      ...(agent && { "user-agent": agent }),
      ...(session && { "x-tokentracer-session": session }),
    },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content }] }),
  });
  await response.text();
  return { status: response.status, id: response.headers.get("x-request-id") };
}

/** A session of the account with many requests, which is an administrator's. */
export function signInAsAdmin() {
  return signIn(process.env.TOKENTRACER_EMAIL, process.env.TOKENTRACER_PASSWORD);
}

/** What `prepare.js` has made. */
export function prepared() {
  return JSON.parse(readFileSync("prepared.json", "utf8"));
}
