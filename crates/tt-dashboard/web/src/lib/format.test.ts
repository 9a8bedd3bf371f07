import { expect, test } from "vitest";
import { toCsv } from "./csv";
import { change, dateTime, duration, percentage, quantile, shortCount, shortDateTime } from "./format";

test("a text that would be a formula is made safe, and quotes are doubled", () => {
  expect(
    toCsv(
      ["a", "b"],
      [
        ["=1+1", 'x"y,z'],
        ["\uff1dA1", null],
        [{ number: "-1.5" }, "-x"],
      ],
    ),
  ).toBe(`a,b\r\n'=1+1,"x""y,z"\r\n'\uff1dA1,\r\n-1.5,'-x\r\n`);
});

test("a nonzero share is never 0%", () => {
  expect(percentage(0.0001)).toBe("<0.1%");
  expect(percentage(0)).toBe("0%");
  expect(percentage(0.1234)).toBe("12.3%");
});

test("changes have a sign, and none without a number before", () => {
  expect([change(10, 12), change(10, 8), change(10, 10), change(0, 5)]).toEqual(["+20%", "−20%", "±0%", null]);
});

test("durations and counts are short", () => {
  expect([duration(840), duration(1234), duration(65_432)]).toEqual(["840 ms", "1.23 s", "65.4 s"]);
  expect([shortCount(9999), shortCount(1_234_567)]).toEqual(["9,999", "1.2M"]);
});

test("times have a year where it is not the present one, by the calendar of the zone", () => {
  const at = new Date("2026-12-31T23:30:09Z");
  const now = new Date("2026-11-01T00:00:00Z");
  expect(shortDateTime(at, "UTC", now)).toBe("31 Dec, 23:30");
  expect(shortDateTime(at, "Europe/Berlin", now, "second")).toBe("1 Jan 2027, 00:30:09");
  expect(shortDateTime(at, "UTC", now, "day")).toBe("31 Dec");
  expect(dateTime(at, "UTC")).toBe("31 Dec 2026, 23:30:09");
});

test("a quantile is one of the values", () => {
  expect([quantile([], 0.5), quantile([3, 1, 2], 0.5), quantile([1, 2, 3, 4], 0.95)]).toEqual([null, 2, 4]);
});
