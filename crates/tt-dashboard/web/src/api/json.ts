// A JSON reader that keeps money exact: the numbers of money fields become nano-dollars, all others JavaScript numbers.
// `JSON.parse` would round them to floats.

import { exact as exactText, parseNano } from "../lib/money";

/** A value of JSON, with money as integers. */
export type Json = null | boolean | number | bigint | string | Json[] | { [key: string]: Json };

/** The fields that hold money. Prices of a million tokens are nano-dollars too, and stand in an object of that name, as the
 * parts of a cost do. */
const MONEY = /(^|_)usd$|^usd_per_million$|^cost_by_class$/;

/** Reads a JSON text. Throws a `SyntaxError` where it is none. */
export function parseJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(false);
  reader.end();
  return value;
}

/** Writes a value as JSON text, with money as exact numbers. */
export function formatJson(value: unknown, indent?: number): string {
  return writeJson(value, indent === undefined ? "" : " ".repeat(indent), "");
}

// `JSON.parse` refuses the control characters that this lets through.
const STRING = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const BLANK = /[ \t\r\n]*/y;
const WORDS = new Map<string, Json>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  value(isMoney: boolean): Json {
    this.blank();
    switch (this.text[this.at]) {
      case "{":
        return this.object(isMoney);
      case "[":
        return this.array(isMoney);
      case '"':
        return this.string();
      default:
        return this.scalar(isMoney);
    }
  }

  end(): void {
    this.blank();
    if (this.at < this.text.length) this.fail();
  }

  private object(isMoney: boolean): Json {
    this.at += 1;
    const fields: [string, Json][] = [];
    if (this.takes("}")) return {};
    do {
      this.blank();
      const key = this.string();
      this.expect(":");
      fields.push([key, this.value(isMoney || MONEY.test(key))]);
    } while (this.takes(","));
    this.expect("}");
    // It defines own properties, whatever their names.
    return Object.fromEntries(fields);
  }

  private array(isMoney: boolean): Json {
    this.at += 1;
    const items: Json[] = [];
    if (this.takes("]")) return items;
    do items.push(this.value(isMoney));
    while (this.takes(","));
    this.expect("]");
    return items;
  }

  private string(): string {
    return JSON.parse(this.match(STRING)) as string;
  }

  private scalar(isMoney: boolean): Json {
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    const number = this.match(NUMBER);
    return (isMoney ? parseNano(number) : null) ?? Number(number);
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined || found === "") return this.fail();
    this.at += found.length;
    return found;
  }

  private blank(): void {
    BLANK.lastIndex = this.at;
    BLANK.exec(this.text);
    this.at = BLANK.lastIndex;
  }

  private takes(mark: string): boolean {
    this.blank();
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  private expect(mark: string): void {
    if (!this.takes(mark)) this.fail();
  }

  private fail(): never {
    throw new SyntaxError(`The text is no JSON at character ${this.at}.`);
  }
}

function writeJson(value: unknown, indent: string, before: string): string {
  if (typeof value === "bigint") return exactText(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const inner = before + indent;
  const items = Array.isArray(value)
    ? value.map((item) => writeJson(item, indent, inner))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}:${indent === "" ? "" : " "}${writeJson(item, indent, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (items.length === 0) return open + close;
  const line = indent === "" ? "" : "\n";
  return open + items.map((item) => line + (line && inner) + item).join(",") + line + (line && before) + close;
}
