// Plans with threads in a browser, where there is one.
import { assertEquals } from "@std/assert";
import { CHROMIUM, withPage } from "../report/browser.ts";
import type { Found } from "./browser_program.ts";

const SCREEN = { width: 100, height: 100, scheme: "light" } as const;

const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** The program as one script. */
async function bundle(): Promise<string> {
  const program = new URL("browser_program.ts", import.meta.url);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", program.href],
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What the program finds in pages served with such headers. */
async function open(
  script: string,
  headers: Record<string, string>,
): Promise<{ page: Found; worker: Found }> {
  const answer = ({ url }: Request): Response =>
    url.endsWith(".js")
      ? new Response(script, {
        headers: { ...headers, "content-type": "text/javascript" },
      })
      : new Response(`<script type="module" src="/program.js"></script>`, {
        headers: { ...headers, "content-type": "text/html" },
      });
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using server = Deno.serve(options, answer);
  let found: { page?: Found; worker?: Found } = {};
  await withPage(async (page) => {
    await page.open(`http://127.0.0.1:${server.addr.port}/`, SCREEN);
    for (let wait = 0; wait < 600 && !found.worker; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      found = await page.evaluate("globalThis.found ?? {}") as typeof found;
    }
  });
  return found as { page: Found; worker: Found };
}

Deno.test({
  name: "in a browser, plans have threads in workers of isolated pages alone" +
    (CHROMIUM ? "" : " (ignored: needs Chromium)"),
  ignore: CHROMIUM === undefined,
  async fn() {
    const script = await bundle();
    assertEquals(await open(script, ISOLATED), {
      page: [1, 1024],
      worker: [2, 1024],
    });
    assertEquals(await open(script, {}), {
      page: [1, 1024],
      worker: [1, 1024],
    });
  },
});
