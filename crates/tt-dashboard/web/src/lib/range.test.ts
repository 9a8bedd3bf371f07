import { describe, expect, test } from "vitest";
import { bucketSize, buckets, rangeOf, sameRange, spanBefore, spanOf } from "./range";
import { atLocal, dayOf, daysBetween, isDay, plusDays, startOfDay } from "./time";

const BERLIN = "Europe/Berlin";
const NOW = new Date("2026-11-23T14:25:00Z");
const at = (query: string, now = NOW) => rangeOf(new URLSearchParams(query), now);

describe("days of a zone", () => {
  test("begin at its midnight, in summer and in winter", () => {
    expect(startOfDay("2026-07-01", BERLIN).toISOString()).toBe("2026-06-30T22:00:00.000Z");
    expect(startOfDay("2026-12-01", BERLIN).toISOString()).toBe("2026-11-30T23:00:00.000Z");
    expect(startOfDay("2026-03-29", BERLIN).toISOString()).toBe("2026-03-28T23:00:00.000Z");
    expect(startOfDay("2026-11-23", "Asia/Kolkata").toISOString()).toBe("2026-11-22T18:30:00.000Z");
  });

  test("begin at the first moment there is, where clocks are set forward at midnight", () => {
    expect(startOfDay("2026-04-24", "Africa/Cairo").toISOString()).toBe("2026-04-23T22:00:00.000Z");
  });

  test("contain their own beginning, and not the moment before", () => {
    for (const zone of ["UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]) {
      for (let day = "2026-01-01"; day < "2027-01-01"; day = plusDays(day, 1)) {
        const start = startOfDay(day, zone);
        expect(dayOf(start, zone), `${day} ${zone}`).toBe(day);
        expect(dayOf(new Date(start.getTime() - 1), zone), `${day} ${zone}`).toBe(plusDays(day, -1));
      }
    }
  });

  test("are counted by the calendar", () => {
    expect(daysBetween("2026-03-28", "2026-03-30")).toBe(2);
    expect(isDay("2026-02-30")).toBe(false);
    expect(isDay("2026-02-28")).toBe(true);
    expect(atLocal(Date.parse("2026-07-01T12:00:00Z"), BERLIN).toISOString()).toBe("2026-07-01T10:00:00.000Z");
  });
});

describe("a range", () => {
  test("is read from the address, and 30 days without one", () => {
    expect(at("tz=UTC")).toEqual({ preset: "30d", first: "2026-10-25", last: "2026-11-23", zone: "UTC" });
    expect(at("range=month&tz=UTC").first).toBe("2026-11-01");
    expect(at("range=toString&tz=nowhere").preset).toBe("30d");
    expect(at("from=2026-01-05&to=2026-01-06&tz=UTC")).toEqual({
      preset: null,
      first: "2026-01-05",
      last: "2026-01-06",
      zone: "UTC",
    });
    expect(at("from=2026-01-07&to=2026-01-06&tz=UTC").preset).toBe("30d");
  });

  test("has whole days, of 23 hours where clocks change", () => {
    expect(spanOf(at(`from=2026-03-29&to=2026-03-29&tz=${BERLIN}`))).toEqual({
      from: "2026-03-28T23:00:00.000Z",
      to: "2026-03-29T22:00:00.000Z",
    });
  });

  test("that is over is compared with as many days before it", () => {
    expect(spanBefore(at("from=2026-11-10&to=2026-11-12&tz=UTC"), NOW)).toEqual({
      from: "2026-11-07T00:00:00.000Z",
      to: "2026-11-10T00:00:00.000Z",
    });
  });

  test("that is not over is compared with the same part, to the hour", () => {
    expect(spanBefore(at("range=7d&tz=UTC"), NOW)).toEqual({
      from: "2026-11-10T00:00:00.000Z",
      to: "2026-11-16T14:00:00.000Z",
    });
    const early = new Date("2026-11-22T18:40:00Z");
    const span = spanBefore(at("range=today&tz=Asia/Kolkata", early), early);
    expect(span).toEqual({ from: "2026-11-21T18:30:00.000Z", to: "2026-11-21T18:30:00.000Z" });
  });

  test("is shown by hour when it is short, and its last bucket is not over", () => {
    const today = at("range=today&tz=UTC");
    expect(bucketSize(today)).toBe("hour");
    const hours = buckets(today, NOW);
    expect(hours.map((bucket) => bucket.key).slice(-2)).toEqual(["2026-11-23T13:00:00Z", "2026-11-23T14:00:00Z"]);
    expect(hours.map((bucket) => bucket.isUnfinished).slice(-2)).toEqual([false, true]);
    const days = buckets(at("range=30d&tz=UTC"), NOW);
    expect([days.length, days.at(-1)?.isUnfinished, days.at(-2)?.isUnfinished]).toEqual([30, true, false]);
  });
});

test("another view gets the filters and the range, also where the address names none", () => {
  const query = new URLSearchParams("by=model&show=tokens&alias=fast&tz=UTC&cursor=9");
  expect(sameRange(query, rangeOf(query, NOW)).toString()).toBe("alias=fast&tz=UTC&range=30d");
  const days = new URLSearchParams("from=2026-11-01&to=2026-11-03");
  expect(sameRange(days, rangeOf(days, NOW)).toString()).toBe("from=2026-11-01&to=2026-11-03");
});
