// Programs read the same pages: each names its twin, the twin equals the API, and nobody
// fetches twice what has not changed.

import { test } from "node:test";
import assert from "node:assert/strict";
import { kinds } from "./every.mjs";

// Forms, and the page of the API, whose twin is its description.
const WITHOUT = ["submit", "components", "missing", "api", "opt-out", "owner, begun"];

export function twins(site) {
  test("each page has a twin that equals the API", async (t) => {
    const { url } = site();
    const ask = (path, headers = {}) => fetch(new URL(path, url), { headers: { "user-agent": "authdex-tests", ...headers } });
    for (const [kind, path] of Object.entries(await kinds(url))) {
      await t.test(kind, async () => {
        const page = await ask(path);
        const html = await page.text();
        const twin = html.match(/<link rel="alternate" type="application\/json" href="([^"]+)">/)?.[1]?.replaceAll("&amp;", "&");
        if (WITHOUT.includes(kind)) return assert.equal(twin, undefined, "has no twin");
        assert.equal(page.status, 200);
        assert.ok(twin, "names its twin");
        const json = await ask(twin);
        assert.equal(json.status, 200);
        assert.match(json.headers.get("content-type"), /^application\/json/);
        assert.equal(json.headers.get("x-content-type-options"), "nosniff");
        const place = json.headers.get("content-location");
        assert.match(place, /\/api\/v1\//);
        const api = await ask(place);
        assert.equal(api.status, 200);
        assert.deepEqual(await json.json(), await api.json());
        // The minute is part of what a page depends on, so its turn may fall between the two.
        for (const address of [path, twin, place]) {
          let again;
          for (let attempt = 0; attempt < 2 && again?.status !== 304; attempt += 1) {
            const tag = (await ask(address)).headers.get("etag");
            assert.match(tag ?? "", /^(W\/)?"[^"]+"$/, `${address} carries an ETag`);
            again = await ask(address, { "if-none-match": tag });
          }
          assert.equal(again.status, 304, address);
          assert.equal(await again.text(), "");
        }
      });
    }
  });
}
