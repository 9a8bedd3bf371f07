import { expect, test } from "vitest";
import { formatJson, parseJson } from "./json";

const SAMPLES = [
  '{"a":[1,-2.5,1e3,"x\\n\\u0041\\"",true,false,null,{}],"b":{"c":[]}}',
  " [ ] ",
  '"\\\\"',
  "0",
  '{"__proto__":{"x":1},"constructor":2}',
];

test("it reads what JSON.parse reads", () => {
  for (const text of SAMPLES) expect(parseJson(text)).toEqual(JSON.parse(text));
});

test("it refuses what JSON.parse refuses", () => {
  for (const text of ["", "{", "[1,]", '{"a":1,}', "01", "+1", "nul", '"\n"', '"\\x"', "[1] 2", "{a:1}", "1.", "--1"]) {
    expect(() => parseJson(text), text).toThrow(SyntaxError);
    expect(() => JSON.parse(text) as unknown, text).toThrow(SyntaxError);
  }
});

test("money is exact where floats are not", () => {
  expect(parseJson('{"cost_usd":9007199254.740993,"saved_usd":null,"latency_ms":7}')).toEqual({
    cost_usd: 9_007_199_254_740_993_000n,
    saved_usd: null,
    latency_ms: 7,
  });
  expect(parseJson('{"usd_per_million":{"input":0.15,"cache_read":null}}')).toEqual({
    usd_per_million: { input: 150_000_000n, cache_read: null },
  });
});

test("a text of a user that looks like money is a text", () => {
  const text = '{"tags":{"cost_usd":"5","x":"\\"cost_usd\\":1"}}';
  expect(parseJson(text)).toEqual(JSON.parse(text));
});

test("money is written as an exact number", () => {
  expect(formatJson({ limit_usd: 25_000_000_001n, name: 'a"b', none: null, left: undefined })).toBe(
    '{"limit_usd":25.000000001,"name":"a\\"b","none":null}',
  );
  expect(formatJson({ a: [1, 2], b: {} }, 2)).toBe(JSON.stringify({ a: [1, 2], b: {} }, null, 2));
});

test("what is written is read again", () => {
  const value = { spent_usd: 123n, list: [{ usd: -1n }], text: "ä\u2028" };
  expect(parseJson(formatJson(value))).toEqual(value);
});
