// Takes the pictures of the README from the demo: `npm run screenshots`, after
// `cargo build -p authdex`. They land in docs/screenshots.

import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PHONE, WIDE, startBrowser, startDemo } from "./site.mjs";
import { kinds } from "./parts/every.mjs";

const folder = fileURLToPath(new URL("../../docs/screenshots", import.meta.url));
/** Heavier pictures are no good in a readme. */
const HEAVIEST = 250_000;

mkdirSync(folder, { recursive: true });
const [demo, browser] = await Promise.all([startDemo(), startBrowser()]);
try {
  const pages = await kinds(demo.url);
  const shoot = async (file, path, { viewport = WIDE, colorScheme = "light", act, height } = {}) => {
    const context = await browser.newContext({ baseURL: demo.url, viewport, colorScheme, javaScriptEnabled: false, reducedMotion: "reduce", deviceScaleFactor: viewport === PHONE ? 2 : 1 });
    const page = await context.newPage();
    await page.goto(path);
    await act?.(page);
    const all = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: viewport.width, height: Math.min(all, height ?? viewport.height) });
    const target = join(folder, file);
    await page.screenshot({ path: target });
    await context.close();
    const { size } = statSync(target);
    console.log(`${file} ${Math.round(size / 1000)} kB`);
    if (size > HEAVIEST) throw new Error(`${file} is heavier than ${HEAVIEST} bytes`);
  };
  const openBroken = async (page) => {
    const finding = page.locator("article.finding a", { hasText: /^exchange/ }).first();
    const place = await finding.getAttribute("href");
    await page.goto(new URL(place, page.url()).href);
    await page.getByRole("heading", { name: "Every exchange" }).evaluate((heading) => heading.scrollIntoView());
  };
  await shoot("home.png", pages.home, { height: 1000 });
  await shoot("home-dark.png", pages.home, { colorScheme: "dark", height: 1000 });
  await shoot("servers.png", pages.list, { height: 1000 });
  await shoot("server.png", pages["server notes"], { height: 1200 });
  await shoot("server-dark.png", pages["server crm"], { colorScheme: "dark", height: 1200 });
  await shoot("server-phone.png", pages["server crm"], { viewport: PHONE });
  await shoot("compare.png", pages.compare, { height: 1340 });
  await shoot("scan-exchanges.png", pages.scan, { act: openBroken, height: 860 });
} finally {
  await browser.close();
  await demo.stop();
}
