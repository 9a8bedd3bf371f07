import { switchTheme, theme } from "../state/theme";
import { Button } from "./button";

export function ThemeButton() {
  const other = theme.value === "dark" ? "light" : "dark";
  return (
    <Button label={`Switch to ${other} colours`} testId="theme" onClick={switchTheme}>
      <span aria-hidden="true">{other === "dark" ? "☾" : "☼"}</span>
    </Button>
  );
}
