/**
 * A headless Chromium under control of the tests, by the DevTools protocol, and
 * its screenshots as pixels.
 */

/** The program, or undefined where it is missing or may not be run. */
export const CHROMIUM: string | undefined = findChromium();

/** What is wanted of a screen. */
export interface Screen {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** Which colours the user prefers. */
  readonly scheme: "light" | "dark";
}

/** Pixels, row by row, three or four bytes each. */
export class Picture {
  constructor(
    readonly width: number,
    readonly height: number,
    readonly channels: number,
    readonly data: Uint8Array,
  ) {}

  /** Red, green and blue of the pixel at a place. */
  at(x: number, y: number): [number, number, number] {
    const start = (Math.floor(y) * this.width + Math.floor(x)) * this.channels;
    const [red = NaN, green = NaN, blue = NaN] = this.data.subarray(start);
    return [red, green, blue];
  }
}

/** A page in a browser. */
export class Page {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #events = new Map<string, () => void>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message: Answer = JSON.parse(data);
      this.#waiting.get(message.id ?? 0)?.(message);
      this.#waiting.delete(message.id ?? 0);
      this.#events.get(message.method ?? "")?.();
    };
  }

  /** Connects to a page by the address of its debugger. */
  static async connect(address: string): Promise<Page> {
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const page = new Page(socket);
    await page.#send("Page.enable");
    return page;
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.close();
    await closed;
  }

  /** Opens an address on a screen and waits until it has been loaded. */
  async open(url: string, { width, height, scheme }: Screen): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.#send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    const loaded = new Promise<void>((resolve) =>
      this.#events.set("Page.loadEventFired", resolve)
    );
    await this.#send("Page.navigate", { url });
    await loaded;
  }

  /** The value of an expression on the page; it must be JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.#send("Runtime.evaluate", {
      expression: `JSON.stringify(${expression})`,
    });
    return JSON.parse((result as { result: { value: string } }).result.value);
  }

  /** What the whole page looks like. */
  async screenshot(): Promise<Picture> {
    const { result } = await this.#send("Page.captureScreenshot", {
      captureBeyondViewport: true,
    });
    const text = atob((result as { data: string }).data);
    return await decodePng(Uint8Array.from(text, (c) => c.charCodeAt(0)));
  }

  async #send(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    const answer = await new Promise<Answer>((resolve) =>
      this.#waiting.set(id, resolve)
    );
    if (answer.error === undefined) return answer;
    throw new Error(`${method}: ${answer.error.message}`);
  }
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Lends a page of a fresh browser, and ends the browser afterwards. */
export async function withPage(
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const profile = await Deno.makeTempDir();
  const browser = new Deno.Command(CHROMIUM!, {
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--hide-scrollbars",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const reader = browser.stderr.pipeThrough(new TextDecoderStream())
    .getReader();
  try {
    const host = await findHost(reader);
    const pages: { type: string; webSocketDebuggerUrl: string }[] =
      await (await fetch(`http://${host}/json/list`)).json();
    const target = pages.find(({ type }) => type === "page")!;
    const page = await Page.connect(target.webSocketDebuggerUrl);
    try {
      await use(page);
    } finally {
      await page.close();
    }
  } finally {
    browser.kill();
    await reader.cancel();
    await browser.status;
    await Deno.remove(profile, { recursive: true }).catch(() => {});
  }
}

/** The browser says on which port it listens. */
async function findHost(
  reader: ReadableStreamDefaultReader<string>,
): Promise<string> {
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The browser ended: ${text}`);
    text += value;
    const host = /DevTools listening on ws:\/\/([^/]+)/.exec(text)?.[1];
    if (host !== undefined) return host;
  }
}

function findChromium(): string | undefined {
  const granted = (name: "run" | "net") =>
    Deno.permissions.querySync({ name }).state === "granted";
  if (!granted("run") || !granted("net")) return undefined;
  return ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Decodes a PNG of eight bits a channel, not interlaced. */
async function decodePng(bytes: Uint8Array): Promise<Picture> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const length = view.getUint32(at);
    if (type === "IDAT") parts.push(bytes.slice(at + 8, at + 8 + length));
  }
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const channels = bytes[25] === 6 ? 4 : 3;
  const stream = new Blob(parts).stream()
    .pipeThrough(new DecompressionStream("deflate"));
  const filtered = new Uint8Array(await new Response(stream).arrayBuffer());
  const data = new Uint8Array(width * height * channels);
  const stride = width * channels;
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? data[y * stride + x - channels]! : 0;
      const up = y > 0 ? data[(y - 1) * stride + x]! : 0;
      const corner = x >= channels && y > 0
        ? data[(y - 1) * stride + x - channels]!
        : 0;
      data[y * stride + x] = filtered[y * (stride + 1) + 1 + x]! +
        predictorOf(filter, left, up, corner);
    }
  }
  return new Picture(width, height, channels, data);
}

function predictorOf(
  filter: number,
  left: number,
  up: number,
  corner: number,
): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const estimate = left + up - corner;
      const [a, b, c] = [left, up, corner].map((each) =>
        Math.abs(estimate - each)
      ) as [number, number, number];
      return a <= b && a <= c ? left : b <= c ? up : corner;
    }
    default:
      return 0;
  }
}
