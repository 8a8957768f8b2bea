// The main window.

import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import { mount } from "svelte";
import App from "./App.svelte";
import "./base.css";
import "./tokens.css";

export default mount(App, { target: document.getElementById("app")! });
