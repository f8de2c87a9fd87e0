// Every kind of page: how it stands in narrow windows, in both themes, before the rules of
// accessibility, and before its own security policy. Script is on, to catch what would need it.

import { test } from "node:test";
import assert from "node:assert/strict";
import axe from "axe-core";
import { PHONE, WIDE } from "../site.mjs";
import { overflow, visit } from "../visit.mjs";

/** One page of each kind, by name; servers of different grades, since their pages differ. */
export async function kinds(url) {
  const ask = (path) => fetch(url + path, { headers: { "user-agent": "authdex-tests" } }).then((answer) => answer.json());
  const servers = (await ask("/api/v1/servers?limit=100")).data;
  const named = (name) => servers.find((server) => server.url.includes(`//${name}.`));
  const { data: issuers } = await ask("/api/v1/authorization-servers/unrecognised");
  const changed = await ask(`/api/v1/servers/${named("notes").id}/scans`);
  const scans = changed.data.map((run) => run.first_scan);
  const pages = {
    home: "/",
    list: "/servers",
    "list, filtered": "/servers?letter=O&q=demo.example",
    "list, empty": "/servers?q=no-such-name",
    changes: "/changes",
    checks: "/checks",
    check: "/checks/pkce-advertised",
    "identity servers": "/as",
    product: "/as/unrecognised",
    "product, not seen": "/as/entra",
    issuer: `/issuers/${issuers.find((issuer) => issuer.issuer.includes("//login.")).id}`,
    statistics: "/stats",
    radar: "/radar",
    methodology: "/methodology",
    policy: "/policy",
    api: "/docs/api",
    submit: "/submit",
    meter: "/meter",
    "opt-out": "/opt-out",
    why: `/why/${scans[0]}`,
    "owner, begun": `/servers/${named("notes").id}/owner`,
    history: `/servers/${named("notes").id}/history`,
    compare: `/compare/${scans[1]}...${scans[0]}`,
    scan: `/scans/${scans[0]}`,
    components: "/_components",
    missing: "/nothing/here",
  };
  for (const server of servers) pages[`server ${new URL(server.url).host.split(".")[0]}`] = `/servers/${server.id}`;
  return pages;
}

const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Lines about what axe finds serious or critical. */
async function barriers(page) {
  const found = await page.evaluate((levels) => globalThis.axe.run({ runOnly: levels, resultTypes: ["violations"] }), LEVELS);
  return found.violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(" | ")}`);
}

/** Opens what is folded, so that it is looked at too. */
function unfold(page) {
  return page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
}

export function every(site) {
  for (const theme of ["light", "dark"]) {
    test(`no page puts up a barrier (${theme})`, async (t) => {
      const { url } = site();
      const visitor = { name: theme, viewport: theme === "light" ? WIDE : PHONE, colorScheme: theme, javaScriptEnabled: true };
      await visit(site(), "barriers", visitor, async (page, step) => {
        await page.addInitScript(axe.source);
        await page.addInitScript(() => {
          globalThis.refused = [];
          addEventListener("securitypolicyviolation", (event) => globalThis.refused.push(`${event.violatedDirective}: ${event.blockedURI}`));
        });
        for (const [kind, path] of Object.entries(await kinds(url))) {
          const look = async () => {
            await page.goto(path);
            await unfold(page);
            assert.deepEqual(await barriers(page), []);
            assert.deepEqual(await page.evaluate(() => globalThis.refused), [], "nothing breaks the page's own policy");
          };
          await t.test(kind, () => step(kind, look));
        }
      }, [404]);
    });
  }

  test("nothing is wider than the narrowest window", async (t) => {
    const { url } = site();
    const visitor = { name: "320 px", viewport: { width: 320, height: 640 }, colorScheme: "light" };
    await visit(site(), "narrow", visitor, async (page, step) => {
      for (const [kind, path] of Object.entries(await kinds(url))) {
        const look = async () => {
          await page.goto(path);
          await unfold(page);
          assert.equal(await overflow(page), null);
        };
        await t.test(kind, () => step(kind, look));
      }
    }, [404]);
  });

  test("the wish for a theme beats the system", async () => {
    const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const seen = {};
    for (const colorScheme of ["light", "dark"]) {
      const visitor = { name: colorScheme, viewport: WIDE, colorScheme };
      await visit(site(), "theme", visitor, async (page) => {
        for (const wish of ["", "?theme=light", "?theme=dark"]) {
          await page.goto(`/${wish}`);
          seen[`${colorScheme}${wish}`] = await ground(page);
        }
        await page.getByRole("contentinfo").getByRole("link", { name: "light" }).click();
        await page.waitForURL(/theme=light/);
      });
    }
    assert.notEqual(seen.light, seen.dark, "the system decides");
    assert.equal(seen["light?theme=dark"], seen.dark);
    assert.equal(seen["dark?theme=light"], seen.light);
    assert.equal(seen["light?theme=light"], seen.light);
    assert.equal(seen["dark?theme=dark"], seen.dark);
  });
}
