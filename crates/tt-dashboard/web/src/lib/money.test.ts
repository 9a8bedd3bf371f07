import { describe, expect, test } from "vitest";
import { approximate, exact, fixed, parseNano, parseTyped, placesOf, share, sum } from "./money";

test("a JSON number becomes exact nano-dollars", () => {
  expect(parseNano("0.000012345")).toBe(12_345n);
  expect(parseNano("9007199254.740993123")).toBe(9_007_199_254_740_993_123n);
  expect(parseNano("-1.5")).toBe(-1_500_000_000n);
  expect(parseNano("9e-9")).toBe(9n);
  expect(parseNano("1.5E+2")).toBe(150_000_000_000n);
  expect(parseNano("0")).toBe(0n);
});

test("what is finer than a nano-dollar, or no number, is none", () => {
  for (const text of ["1e-10", "0.0000000001", "", "x", "1e999", "0x1", " 1"]) expect(parseNano(text), text).toBeNull();
});

test("the exact text is the shortest that is read as the same amount", () => {
  for (const amount of [0n, 1n, 12_345n, 1_000_000_000n, -5n, 123_456_789_012_345_678n]) {
    expect(parseNano(exact(amount))).toBe(amount);
  }
  expect(exact(12_345n)).toBe("0.000012345");
  expect(exact(2_500_000_000n)).toBe("2.5");
  expect(exact(3_000_000_000n)).toBe("3");
});

test("places show an amount exactly", () => {
  expect(placesOf(12_345n)).toBe(9);
  expect(placesOf(2_500_000_000n)).toBe(1);
  expect(fixed(2_500_000_000n, 4)).toBe("2.5000");
});

test("a sum of amounts of which none is known is not known", () => {
  expect(sum([])).toBe(0n);
  expect(sum([null, null])).toBeNull();
  expect(sum([null, 3n, 4n])).toBe(7n);
});

describe("an amount in a heading", () => {
  test("has cents from a dollar on, and separators", () => {
    expect(approximate(1_234_567_890_000_000n)).toBe("$1,234,567.89");
    expect(approximate(0n)).toBe("$0.00");
  });

  test("has three significant digits below, and is never 0", () => {
    expect(approximate(12_345n)).toBe("$0.0000123");
    expect(approximate(1n)).toBe("$0.000000001");
    expect(approximate(123_456_789n)).toBe("$0.123");
    expect(approximate(500_000_000n)).toBe("$0.50");
    expect(approximate(-1n)).toBe("-$0.000000001");
  });

  test("is rounded half to even", () => {
    expect(approximate(1_005_000_000n)).toBe("$1.00");
    expect(approximate(1_015_000_000n)).toBe("$1.02");
    expect(approximate(999_999_999n)).toBe("$1.00");
  });
});

test("what a user types is an amount or nothing", () => {
  expect(parseTyped(" $1,200.50 ")).toBe(1_200_500_000_000n);
  expect(parseTyped("25")).toBe(25_000_000_000n);
  for (const text of ["", "-1", "1e3", "abc", "1.2.3", "0.0000000001"]) expect(parseTyped(text), text).toBeNull();
});

test("shares need no division of floats by 0", () => {
  expect(share(1n, 0n)).toBe(0);
  expect(share(1n, 4n)).toBe(0.25);
});
