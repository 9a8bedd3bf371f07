// The choice of a range of days. It is kept in the address.

import { PRESETS, type Preset, type Range } from "../lib/range";
import { systemZone } from "../lib/time";
import { setQuery } from "../state/router";
import { SelectField, TextField } from "./field";
import { Choices } from "./tabs";

const presets = Object.entries(PRESETS).map(([name, title]) => ({ name: name as Preset, title }));

export function RangePicker({ range }: { range: Range }) {
  return (
    <div class="range">
      <Choices<Preset>
        label="Range"
        choices={presets}
        chosen={range.preset}
        onChoose={(preset) => setQuery({ range: preset, from: null, to: null })}
      />
      <TextField
        label="From"
        hideLabel
        type="date"
        value={range.first}
        max={range.last}
        testId="range-from"
        onValue={(from) => setQuery({ range: null, from, to: range.last })}
      />
      <span aria-hidden="true">–</span>
      <TextField
        label="To"
        hideLabel
        type="date"
        value={range.last}
        min={range.first}
        testId="range-to"
        onValue={(to) => setQuery({ range: null, from: range.first, to })}
      />
      <SelectField
        label="Time zone of the days"
        hideLabel
        value={range.zone}
        options={zones(range.zone).map((zone) => ({ value: zone, text: zone }))}
        onValue={(tz) => setQuery({ tz: tz === systemZone() ? null : tz })}
      />
    </div>
  );
}

function zones(shown: string): string[] {
  return [...new Set([shown, systemZone(), "UTC"])];
}
