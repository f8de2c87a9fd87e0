// The journeys of people: what they click, what they then read. Script is off.

import { test } from "node:test";
import assert from "node:assert/strict";
import { VISITORS } from "../site.mjs";
import { focus, overflow, visit } from "../visit.mjs";

const CALENDAR = "https://calendar.demo.example/mcp";

export function journeys(site) {
  for (const visitor of VISITORS) {
    const walk = (title, steps, expected) =>
      test(`${title} (${visitor.name})`, () => visit(site(), title, visitor, steps, expected));
    walk("a visitor pastes an address and reads the answer", pasted);
    walk("an author finds fault, fix and bytes", fixes);
    walk("two scans of a changed server are compared", compared);
    walk("the list is narrowed, widened and turned over", narrowed);
    walk("a check explains itself", explained);
    walk("a client's vendor sees who breaks without dynamic registration", warned);
    walk("an identity server's vendor finds product, issuer and change", identified);
    walk("adoption is read with its numbers", counted);
    walk("the rules of the house can be read", house, [404, 403]);
  }
}

const text = (locator) => locator.innerText().then((words) => words.trim().replaceAll(/\s+/g, " "));

/** The letters that end the first visible things: inside the first window, without scrolling. */
async function above(page, locator) {
  const box = await locator.boundingBox();
  return box !== null && box.y + Math.min(box.height, 24) <= page.viewportSize().height;
}

async function pasted(page) {
  await page.goto("/");
  await page.getByLabel("Address of an MCP endpoint").fill("files.demo.example/mcp");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.waitForURL("**/servers/srv_*");
  const server = await page.request.get(page.url() + ".json").then((answer) => answer.json());
  assert.equal(server.url, "https://files.demo.example/mcp");
  const mark = page.locator("main .head .mark");
  assert.equal(await mark.locator("svg text").textContent(), server.grade.letter);
  assert.ok(await above(page, mark), "the letter is in the first window");
  const verdict = page.locator(".verdict");
  assert.match(await text(verdict), /issuer/i);
  assert.ok(await above(page, verdict), "the reason is in the first window");
  const broken = page.locator(".funnel .here");
  assert.equal(await broken.count(), 1, "one step is the first broken one");
  assert.equal(await overflow(page), null);
}

async function fixes(page) {
  await page.goto("/servers?letter=D");
  const rows = page.locator("tbody tr");
  assert.ok((await rows.count()) > 0, "the demo has a server with a D");
  await rows.first().getByRole("rowheader").getByRole("link").click();
  await page.waitForURL("**/servers/srv_*");
  const parties = page.getByRole("heading", { name: /^For the (server's operator|authorization server)/ });
  assert.ok((await parties.count()) >= 1, "a heading says who has to act");
  const finding = page.locator("article.finding").first();
  assert.match(await text(finding.locator(".meta")), /fail|warn/);
  assert.ok((await text(finding.locator("dt", { hasText: "Fix" }).locator("+ dd"))).length > 20, "says how to fix it");
  const seen = finding.getByRole("link", { name: /^exchange \d+/ }).first();
  const place = await seen.getAttribute("href");
  await seen.click();
  await page.waitForURL("**/scans/scn_*");
  const exchange = page.locator(".ex", { has: page.locator(place.slice(place.indexOf("#"))) });
  assert.ok(await exchange.evaluate((details) => details.open), "the exchange that the finding points at is unfolded");
  const [request, answer, curl] = await exchange.locator("pre").allInnerTexts();
  assert.match(request, /^(GET|POST|OPTIONS|HEAD|DELETE) .+/);
  assert.match(answer, /^HTTP\/\S+ \d{3}\n(.+\n)+\n\S/, "status, headers, a blank line, and the body");
  assert.match(curl, /^curl .*https:\/\/[a-z-]+\.demo\.example/s);
  assert.ok(await exchange.locator("pre").first().isVisible(), "the bytes are shown");
  assert.equal(await overflow(page), null);
}

async function compared(page) {
  await page.goto(`/lookup?url=${encodeURIComponent(CALENDAR)}`);
  await page.getByRole("link", { name: "History", exact: true }).click();
  await page.waitForURL("**/history");
  const rows = page.locator("tbody tr");
  assert.equal(await rows.count(), 2, "two states were seen");
  await page.getByRole("link", { name: "Compare" }).click();
  await page.waitForURL("**/compare/scn_*...scn_*");
  const diff = await page.request.get(page.url() + ".json").then((answer) => answer.json());
  const letters = await page.locator(".sides .mark svg text").allTextContents();
  assert.equal(letters.length, 2);
  assert.notEqual(letters[0], letters[1]);
  assert.deepEqual(letters.map((l) => l.trim()), [diff.letter.a, diff.letter.b]);
  const causes = page.getByRole("table", { name: "Change of the score by cause" });
  assert.match(await text(causes), /authorization server/i);
  assert.match(await text(page.locator(".diff")), /code_challenge_methods_supported.*S256/);
  assert.ok((await page.getByRole("heading", { name: /^(Fixed|Improved|Repaired)/ }).count()) >= 1, "says what got better");
  assert.equal(await overflow(page), null);
}

async function narrowed(page) {
  await page.goto("/servers");
  const rows = page.locator("tbody tr");
  const all = await rows.count();
  assert.ok(all >= 14, `the whole fleet is listed, not ${all}`);

  await page.getByLabel("Grade or badge").selectOption("O");
  await page.getByLabel("Class").selectOption("open");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/letter=O/);
  const open = await rows.count();
  assert.ok(open > 0 && open < all, "fewer than all");
  for (const mark of await rows.locator(".mark svg text").allTextContents()) assert.equal(mark.trim(), "O");
  const chips = page.getByRole("list", { name: "Filters in force" });
  assert.ok((await chips.getByRole("link").count()) >= 2);

  await chips.getByRole("link", { name: /open.*remove/i }).first().click();
  await page.waitForURL((address) => !address.search.includes("class="));
  assert.match(page.url(), /letter=O/);
  await chips.getByRole("link", { name: /remove/ }).first().click();
  await page.waitForURL((address) => !address.search.includes("letter="));
  assert.equal(await rows.count(), all);

  await page.getByLabel("Fails the check").fill("pkce-advertised");
  await page.getByLabel("Name, host or address").fill("demo.example");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/failing=pkce-advertised/);
  const failing = await page.request.get("/api/v1/servers?failing=pkce-advertised").then((answer) => answer.json());
  assert.equal(await rows.count(), failing.data.length);

  await page.goto("/servers?q=no-such-name");
  assert.match(await text(page.locator("main")), /No server matches/);

  await page.goto("/servers?limit=5");
  assert.equal(await rows.count(), 5);
  const first = await rows.getByRole("rowheader").allInnerTexts();
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForURL(/cursor=/);
  assert.equal(await rows.count(), 5);
  const second = await rows.getByRole("rowheader").allInnerTexts();
  assert.equal(new Set([...first, ...second]).size, 10, "no server stands on both pages");
  await page.getByRole("link", { name: "First page" }).click();
  assert.deepEqual(await rows.getByRole("rowheader").allInnerTexts(), first);
  assert.equal(await overflow(page), null);
}

async function explained(page) {
  await page.goto("/");
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Checks" }).click();
  await page.waitForURL("**/checks");
  const catalogue = await page.request.get("/api/v1/checks").then((answer) => answer.json());
  assert.ok((await page.locator("tbody tr").count()) <= catalogue.data.length);
  await page.locator('a[href="/checks/iss-exact-match"], a[href="/checks/pkce-advertised"]').first().click();
  await page.waitForURL("**/checks/*");
  for (const heading of ["Why", "What to change", "How an observer can be misled", "Who fails it", "The rule", "In which revisions"]) {
    assert.equal(await page.getByRole("heading", { name: heading, exact: true }).count(), 1, heading);
  }
  const rule = page.locator(".cite a").first();
  assert.match(await rule.getAttribute("href"), /^https:\/\//);
  assert.equal(await overflow(page), null);
}

const main = (page, name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name });

async function warned(page) {
  await page.goto("/");
  await main(page, "Radar").click();
  await page.waitForURL("**/radar");
  const radar = await page.request.get("/radar.json").then((answer) => answer.json());
  const hazard = radar.data.find((one) => one.id === "dcr_only");
  const section = page.locator("#dcr_only");
  assert.equal(await text(section.locator(".big")), `${hazard.figure.n} of ${hazard.figure.of}`);
  assert.match(await text(section), /If you make a client/);
  await section.getByRole("link", { name: "List them" }).click();
  await page.waitForURL("**/servers?registration=dcr_only");
  assert.equal(await page.locator("tbody tr").count(), hazard.figure.n);
  const csv = await page.request.get("/servers.csv?registration=dcr_only").then((answer) => answer.text());
  assert.equal(csv.trim().split("\n").length, hazard.figure.n + 1);
  assert.equal(await overflow(page), null);
}

async function identified(page) {
  await page.goto("/");
  await main(page, "Identity servers").click();
  await page.waitForURL("**/as");
  assert.match(await text(page.locator("main .lead")), /dynamic registration\? .*\d+ of \d+ identity servers/);
  assert.ok(await above(page, page.locator("main .lead")), "the answer is in the first window");
  const matrix = page.getByRole("table", { name: "Support by product that was seen" });
  await matrix.getByRole("link", { name: "Not recognised" }).click();
  await page.waitForURL("**/as/unrecognised");
  assert.ok((await page.locator("article.finding").count()) > 0, "says what to change");
  await page.getByRole("link", { name: "https://login.demo.example" }).click();
  await page.waitForURL("**/issuers/iss_*");
  assert.match(await text(page.locator("#history")), /New: PKCE with S256/);
  assert.match(await text(page.locator("#document pre")), /"issuer": "https:\/\/login\.demo\.example"/);
  await page.getByRole("link", { name: "2 servers" }).click();
  await page.waitForURL("**/servers?issuer=iss_*");
  assert.equal(await page.locator("tbody tr").count(), 2);
  assert.equal(await overflow(page), null);
}

async function counted(page) {
  await page.goto("/stats");
  const stats = await page.request.get("/stats.json").then((answer) => answer.json());
  const chart = page.getByRole("img", { name: "Adoption among servers" });
  assert.ok(await chart.isVisible());
  const adoption = page.locator("#adoption");
  await adoption.getByText("The same numbers as a table").click();
  const row = adoption.getByRole("row", { name: /^PKCE with S256/ });
  const { n, of } = stats.adoption.adopted.s256;
  assert.deepEqual((await row.getByRole("cell").allInnerTexts()).slice(0, 2), [String(n), String(of)]);
  assert.match(await text(page.locator("main")), /Fewer than 50 servers are graded/);
  await row.getByRole("link").click();
  await page.waitForURL("**/servers?pkce=s256");
  assert.equal(await page.locator("tbody tr").count(), n);
  assert.equal(await overflow(page), null);
}

async function house(page) {
  await page.goto("/");
  await page.getByRole("link", { name: "What we send, and how often" }).click();
  await page.waitForURL("**/policy");
  assert.match(await text(page.locator("main")), /never sent/);
  await page.getByRole("contentinfo").getByRole("link", { name: "Methodology" }).click();
  await page.waitForURL("**/methodology");
  assert.match(await text(page.locator("main")), /What a letter does not say/);
  await page.goto("/submit");
  assert.match(await text(page.locator("main")), /own schedule only/);
  await page.goto("/lookup?url=https://unknown.example/mcp");
  assert.match(await text(page.locator("main")), /unknown\.example|own schedule only/);
  const missing = await page.goto("/servers/srv_00000000000000000000000000");
  assert.equal(missing.status(), 404);
  assert.ok((await text(page.locator("main .lead"))).length > 10, "says a sentence that helps");
  assert.match(await text(page.locator("main")), /req_[0-9a-f]+/);
  await page.getByRole("link", { name: "All servers" }).click();
  await page.waitForURL("**/servers");
  assert.equal(await overflow(page), null);
}

/** The main journey without a pointer: Tab until a thing is reached, then Enter. */
export function keyboard(site) {
  for (const visitor of VISITORS) {
    test(`the main journey needs a keyboard only (${visitor.name})`, () =>
      visit(site(), "keyboard", visitor, async (page) => {
        const tab = async (wanted) => {
          for (let step = 0; step < 60; step += 1) {
            await page.keyboard.press("Tab");
            const at = await focus(page);
            assert.ok(at.outlined, `${at.tag} ${at.id || at.text} shows that it has the keyboard`);
            assert.ok(at.seen, `${at.tag} ${at.id || at.text} is inside the window`);
            if (wanted(at)) return at;
          }
          throw new Error(`60 tabs do not reach ${wanted}`);
        };
        await page.goto("/");
        const skip = await tab(() => true);
        assert.equal(skip.text, "Skip to the content", "the first stop skips the navigation");
        await page.keyboard.press("Enter");
        const box = await tab(() => true);
        assert.equal(box.id, "url", "after skipping, the box comes first");
        await page.keyboard.type(CALENDAR);
        await page.keyboard.press("Enter");
        await page.waitForURL("**/servers/srv_*");
        await tab((at) => at.text === "History");
        await page.keyboard.press("Enter");
        await page.waitForURL("**/history");
        await tab((at) => at.text === "Compare");
        await page.keyboard.press("Enter");
        await page.waitForURL("**/compare/*");
        assert.match(await text(page.locator("h1")), /^What changed at/);
      }),
    );
  }
}
