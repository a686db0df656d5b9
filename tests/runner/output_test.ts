// Places of results: found out beforehand, written as a whole or not at all.
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { isSameFile } from "../../src/runner/files.ts";
import { openOutput, OutputError } from "../../src/runner/output.ts";
import {
  namesIn,
  type Need,
  processTest,
  testWith,
  withFolder,
} from "../helpers.ts";

const FILES: readonly Need[] = ["read", "write"];
const onWindows = Deno.build.os === "windows";

/** Makes every write fail half way, like a full disk, while in use. */
async function withFullDisk(use: () => Promise<void>): Promise<void> {
  const { prototype } = Deno.FsFile;
  const { writeSync } = prototype;
  let isFull = false;
  prototype.writeSync = function (bytes: Uint8Array): number {
    // Only the first writing fails: there is room for what was there before.
    if (isFull) {
      prototype.writeSync = writeSync;
      throw new Error("No space left on device");
    }
    isFull = true;
    return writeSync.call(this, bytes.subarray(0, 2));
  };
  try {
    await use();
  } finally {
    prototype.writeSync = writeSync;
  }
}

testWith(FILES, "openOutput() leaves no trace before the writing", async () => {
  await withFolder((folder) => {
    openOutput(`${folder}/new.json`);
    assertEquals(namesIn(folder), []);
    Deno.writeTextFileSync(`${folder}/old.json`, "old");
    openOutput(`${folder}/old.json`);
    assertEquals(namesIn(folder), ["old.json"]);
    assertEquals(Deno.readTextFileSync(`${folder}/old.json`), "old");
  });
});

testWith(
  FILES,
  "openOutput() writes a new file and replaces an old one",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/out.json`;
      for (const text of ["first, longer\n", "second\n"]) {
        await openOutput(path).write(text);
        assertEquals(Deno.readTextFileSync(path), text);
        assertEquals(namesIn(folder), ["out.json"]);
      }
    });
  },
);

testWith(FILES, "openOutput() replaces a file in one move", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/out.json`;
    Deno.writeTextFileSync(path, "old");
    // A reader that has the old file open keeps the old content.
    using reader = Deno.openSync(path);
    await openOutput(path).write("new content");
    const buffer = new Uint8Array(20);
    const length = reader.readSync(buffer) ?? 0;
    assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), "old");
  });
});

testWith(FILES, "openOutput() keeps who may read a file", async () => {
  await withFolder(async (folder) => {
    if (onWindows) return;
    const path = `${folder}/out.json`;
    Deno.writeTextFileSync(path, "old", { mode: 0o600 });
    await openOutput(path).write("new");
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

testWith(
  FILES,
  "openOutput() follows links, also to what does not exist",
  async () => {
    await withFolder(async (folder) => {
      if (onWindows) return;
      Deno.mkdirSync(`${folder}/real`);
      Deno.symlinkSync("real/out.json", `${folder}/link`);
      Deno.symlinkSync(`${folder}/link`, `${folder}/link2`);
      for (const text of ["created", "replaced"]) {
        await openOutput(`${folder}/link2`).write(text);
        assertEquals(Deno.readTextFileSync(`${folder}/real/out.json`), text);
      }
      assertEquals(namesIn(folder), ["link", "link2", "real"]);
      assertEquals(namesIn(`${folder}/real`), ["out.json"]);
      assertEquals(Deno.lstatSync(`${folder}/link`).isSymlink, true);
    });
  },
);

testWith(
  FILES,
  "openOutput() refuses places that cannot be written",
  async () => {
    await withFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/file`, "");
      const cases = [
        ["", "the path is empty"],
        [folder, "it is a folder, not a file"],
        [`${folder}/new/`, "it is a folder, not a file"],
        [`${folder}/none/out.json`, `there is no folder "${folder}/none"`],
        [`${folder}/file/out.json`, "a part of its path is not a folder"],
      ] as const;
      for (const [path, reason] of cases) {
        const error = assertThrows(() => openOutput(path), OutputError, reason);
        assertEquals(error.path, path);
        assertStringIncludes(error.message, JSON.stringify(path));
      }
      assertEquals(namesIn(folder), ["file"]);
    });
  },
);

testWith(FILES, "openOutput() refuses links in a circle", async () => {
  await withFolder((folder) => {
    if (onWindows) return;
    Deno.symlinkSync(`${folder}/b`, `${folder}/a`);
    Deno.symlinkSync(`${folder}/a`, `${folder}/b`);
    assertThrows(() => openOutput(`${folder}/a`), OutputError, "links");
  });
});

testWith(
  FILES,
  "openOutput() keeps the old file when the disk is full",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/out.json`;
      Deno.writeTextFileSync(path, "old content");
      const output = openOutput(path);
      await withFullDisk(async () => {
        await assertRejects(() => output.write("new"), OutputError, "No space");
      });
      assertEquals(Deno.readTextFileSync(path), "old content");
      assertEquals(namesIn(folder), ["out.json"]);
    });
  },
);

testWith(
  FILES,
  "openOutput() leaves nothing beside a place that got taken",
  async () => {
    await withFolder(async (folder) => {
      const path = `${folder}/out.json`;
      const output = openOutput(path);
      Deno.mkdirSync(path);
      await assertRejects(() => output.write("new"), OutputError);
      assertEquals(namesIn(folder), ["out.json"]);
      assertEquals(namesIn(path), []);
    });
  },
);

testWith(
  FILES,
  "openOutput() writes to what is no file without replacing it",
  async () => {
    if (onWindows) return;
    await openOutput("/dev/null").write("gone");
    assertEquals(Deno.statSync("/dev/null").isCharDevice, true);
  },
);

testWith(FILES, "isSameFile() sees through links and spellings", async () => {
  await withFolder((folder) => {
    const [name] = folder.split("/").slice(-1);
    Deno.writeTextFileSync(`${folder}/a`, "");
    Deno.writeTextFileSync(`${folder}/b`, "");
    assertEquals(isSameFile(`${folder}/a`, `${folder}/../${name}/a`), true);
    assertEquals(isSameFile(`${folder}/a`, `${folder}/b`), false);
    assertEquals(isSameFile(`${folder}/new`, `${folder}/./new`), true);
    assertEquals(isSameFile(`${folder}/new`, `${folder}/a`), false);
    if (onWindows) return;
    Deno.symlinkSync(`${folder}/a`, `${folder}/link`);
    assertEquals(isSameFile(`${folder}/link`, `${folder}/a`), true);
    assertEquals(isSameFile(`${folder}/link`, `${folder}/b`), false);
  });
});

/** Writes to a file where the file is all that may be written. */
const OVERWRITE_SCRIPT = `
  import { openOutput } from ${
  JSON.stringify(new URL("../../src/runner/output.ts", import.meta.url).href)
};
  const output = openOutput("out.json");
  const { writeSync } = Deno.FsFile.prototype;
  let writings = 0;
  Deno.FsFile.prototype.writeSync = function (bytes) {
    writings++;
    if (Deno.args[0] !== "full" || writings > 2) {
      return writeSync.call(this, bytes);
    }
    if (writings === 2) throw new Error("No space left on device");
    return writeSync.call(this, bytes.subarray(0, 2));
  };
  await output.write("new").catch((error) => console.log(error.message));
`;

async function overwrite(
  folder: string,
  args: readonly string[] = [],
  read = "--allow-read",
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      read,
      `--allow-write=${folder}/out.json`,
      "--no-prompt",
      "--ext=ts",
      "-",
      ...args,
    ],
    cwd: folder,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(OVERWRITE_SCRIPT));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

processTest(
  "openOutput() overwrites where only the file is granted",
  async () => {
    await withFolder(async (folder) => {
      for (const old of [undefined, "an old and longer content"]) {
        const path = `${folder}/out.json`;
        if (old !== undefined) Deno.writeTextFileSync(path, old);
        assertEquals(await overwrite(folder), "");
        assertEquals(Deno.readTextFileSync(path), "new");
        assertEquals(namesIn(folder), ["out.json"]);
      }
    });
  },
);

processTest(
  "openOutput() overwrites a file that may be written and not read",
  async () => {
    await withFolder(async (folder) => {
      // Its own modules are loaded without a permission.
      const read = `--allow-read=${folder}/elsewhere`;
      const path = `${folder}/out.json`;
      for (const old of [undefined, "an old and longer content"]) {
        if (old !== undefined) Deno.writeTextFileSync(path, old);
        assertEquals(await overwrite(folder, [], read), "");
        assertEquals(Deno.readTextFileSync(path), "new");
      }
      Deno.removeSync(path);
      const said = await overwrite(folder, ["full"], read);
      assertStringIncludes(said, "No space left");
      assertEquals(namesIn(folder), []);
    });
  },
);

processTest(
  "openOutput() restores a file that it failed to overwrite",
  async () => {
    await withFolder(async (folder) => {
      assertStringIncludes(await overwrite(folder, ["full"]), "No space left");
      assertEquals(namesIn(folder), []);
      const path = `${folder}/out.json`;
      Deno.writeTextFileSync(path, "old");
      assertStringIncludes(await overwrite(folder, ["full"]), "No space left");
      assertEquals(Deno.readTextFileSync(path), "old");
    });
  },
);
