// A row of choices of which one is on.

export interface Choice<Name extends string> {
  name: Name;
  title: string;
  testId?: string;
}

interface ChoicesProps<Name extends string> {
  label: string;
  choices: readonly Choice<Name>[];
  chosen: Name | null;
  onChoose: (name: Name) => void;
}

export function Choices<Name extends string>({ label, choices, chosen, onChoose }: ChoicesProps<Name>) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {choices.map(({ name, title, testId }) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === chosen}
          data-testid={testId}
          onClick={() => onChoose(name)}
        >
          {title}
        </button>
      ))}
    </div>
  );
}
