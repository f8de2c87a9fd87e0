// A page under watch: whatever a browser complains about while a test runs fails the test.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AssertionError } from "node:assert";
import { SHOTS } from "./site.mjs";

/** Leaves a picture of the page in `shots/` and says where, in the error. */
async function pictured(page, title, error) {
  mkdirSync(SHOTS, { recursive: true });
  const file = join(SHOTS, `${title.replaceAll(/[^a-z0-9]+/gi, "-")}.png`);
  await page.screenshot({ path: file, fullPage: true }).catch(() => {});
  error.message += `\n(picture: ${file})`;
  return error;
}

/**
 * Opens a page as `visitor` (a window, colours, with or without script), runs `walk` with it,
 * and fails on errors in the console, on errors of scripts and on requests to another host.
 * `expected` names statuses of answers that the walk asks for on purpose. A walk that fails
 * leaves a picture in `shots/`. The second argument of `walk` is a step: it runs a part of the
 * walk and fails by itself, so that the walk can go on.
 */
export async function visit({ browser, url }, title, visitor, walk, expected = []) {
  const { name, ...options } = visitor;
  const context = await browser.newContext({ baseURL: url, reducedMotion: "reduce", javaScriptEnabled: false, ...options });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    const wanted = expected.some((status) => message.text().includes(`the server responded with a status of ${status}`));
    if (["error", "warning"].includes(message.type()) && !wanted) {
      complaints.push(`console, on ${page.url()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`script, on ${page.url()}: ${error.message}`));
  page.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(`${url}/`)) complaints.push(`a request to another host: ${asked}`);
  });
  page.on("response", (answer) => {
    if (answer.status() >= 400 && !expected.includes(answer.status())) {
      complaints.push(`${answer.status()} for ${answer.url()}`);
    }
  });
  const step = async (part, act) => {
    try {
      await act();
      if (complaints.length > 0) throw new AssertionError({ message: complaints.splice(0).join("\n") });
    } catch (error) {
      throw await pictured(page, `${title} ${part} ${name}`, error);
    }
  };
  try {
    await step("", () => walk(page, step));
  } finally {
    await context.close();
  }
}

/** How far the page is wider than its window, with the elements that stick out. */
export function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const beyond = document.scrollingElement.scrollWidth - width;
    if (beyond <= 0) return null;
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 0.5);
    const names = wide.slice(0, 5).map((e) => `<${e.localName} class="${e.getAttribute("class") ?? ""}">`);
    return `${beyond} px wider than ${width}: ${names.join(", ")}`;
  });
}

/** Whether the element that has the keyboard shows it: an outline, inside the window. */
export function focus(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
      tag: element.localName,
      id: element.id,
      href: element.getAttribute("href"),
      text: (element.innerText ?? "").trim().replaceAll(/\s+/g, " "),
      outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
      seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
  });
}
