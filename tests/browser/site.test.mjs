// The pages of the demo, in a real browser: one program and one browser for all tests.

import { after, before } from "node:test";
import { startBrowser, startDemo } from "./site.mjs";
import { every } from "./parts/every.mjs";
import { journeys, keyboard } from "./parts/journeys.mjs";
import { twins } from "./parts/twins.mjs";

let demo;
let browser;

before(async () => {
  [demo, browser] = await Promise.all([startDemo(), startBrowser()]);
}, { timeout: 120_000 });

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const site = () => ({ browser, url: demo.url });

journeys(site);
keyboard(site);
every(site);
twins(site);
