import { render } from "preact";
import { App } from "./app";
import { start as startRouter } from "./state/router";
import { start as startSession } from "./state/session";
import { start as startTheme } from "./state/theme";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/views.css";

startTheme();
startSession();
startRouter();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
