// The small floating window.

import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import { mount } from "svelte";
import Controller from "./Controller.svelte";
import "./base.css";
import "./tokens.css";

export default mount(Controller, { target: document.getElementById("app")! });
