// Builds the GraphiQL page into dist/. The output depends only on the files in
// this directory and on package-lock.json: no dates, no machine paths.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const assets = join(dist, "assets");
const BASE = "/graphiql/assets/";

rmSync(dist, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });

const hashOf = (data) => createHash("sha256").update(data).digest("hex").slice(0, 8).toUpperCase();
const packageJson = (name) => JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  sourcemap: false,
  legalComments: "none", // the notices go to assets/LICENSES.txt instead
  target: "es2022",
  platform: "browser",
  metafile: true,
  logLevel: "warning",
  outdir: "dist/assets",
  // All of Monaco's style sheets are part of graphiql/style.css already.
  loader: { ".css": "empty", ".ttf": "empty" },
  define: { "process.env.NODE_ENV": '"production"' },
};

// Upstream modules that are replaced to keep the page small.
const replacements = [
  // Only the parts of Monaco that are used.
  [/[\\/]vs[\\/]editor[\\/]edcore\.main\.js$/, () => `export * from ${JSON.stringify("./src/monaco.js")};`],
  // The side-by-side diff editor is never shown.
  [/[\\/]diffEditor[\\/]diffEditorWidget\.js$/, () => "export class DiffEditorWidget {}"],
  [/[\\/]multiDiffEditor[\\/]multiDiffEditorWidget\.js$/, () => "export class MultiDiffEditorWidget {}"],
  // Prettify JSON with jsonc-parser, which is here anyway, instead of Prettier's JavaScript printer.
  [
    /[\\/]@graphiql[\\/]react[\\/]dist[\\/]utility[\\/]jsonc\.js$/,
    (source) =>
      source.replace(/async function formatJSONC[^]*?\n}\n/, "").replace("export { formatJSONC,", "export {") +
      '\nexport { formatJSONC } from "./src/format-json.js";\n',
  ],
  // No Prettier in the worker: only the "Prettify" button formats, and it works in the page.
  [
    /[\\/]monaco-graphql[\\/]esm[\\/]GraphQLWorker\.js$/,
    (source) => source.replace(/await import\('prettier\/[^']+'\)/g, "{}"),
  ],
];
const replace = {
  name: "replace",
  setup(builder) {
    for (const [filter, change] of replacements) {
      let used = false;
      builder.onLoad({ filter }, ({ path }) => {
        used = true;
        return { contents: change(readFileSync(path, "utf8")), loader: "js" };
      });
      builder.onEnd(() => {
        if (!used) throw new Error(`nothing matched ${filter}`);
      });
    }
    // Our own files, named from inside a replaced module.
    builder.onResolve({ filter: /^\.\/src\// }, ({ path, kind }) =>
      kind === "entry-point" ? undefined : { path: join(root, path) },
    );
    // One Prettier parser for GraphQL instead of two copies of it.
    builder.onResolve({ filter: /^prettier\/parser-graphql$/ }, ({ resolveDir, kind }) =>
      builder.resolve("prettier/plugins/graphql", { resolveDir, kind }),
    );
  },
};

// 1. The page and the three workers, all ES modules, which share chunks.
const page = await build({
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  minify: true,
  sourcemap: false,
  legalComments: "none", // the notices go to assets/LICENSES.txt instead
  format: "esm",
  target: "es2022",
  platform: "browser",
  jsx: "automatic",
  metafile: true,
  logLevel: "warning",
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  // All of Monaco's style sheets are part of graphiql/style.css already.
  loader: { ".css": "empty" },
  define: {
    "process.env.NODE_ENV": '"production"',
    GRAPHIQL_VERSION: JSON.stringify(packageJson("graphiql").version),
  },
  plugins: [replace],
  entryPoints: {
    main: "src/main.jsx",
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
});
const files = Object.keys(page.metafile.outputs).map((path) => path.replace(/^dist\/assets\//, ""));
const url = (name) => BASE + files.find((file) => file.startsWith(`${name}-`) && file.endsWith(".js"));

// 2. The style sheet: GraphiQL's own and ours. Its fonts, embedded upstream,
//    become files, so that a browser loads only those it needs.
const sheet =
  readFileSync(join(root, "node_modules/graphiql/dist/style.css"), "utf8") +
  readFileSync(join(root, "src/page.css"), "utf8");
const withFontFiles = sheet.replace(
  /url\((["']?)data:font\/(ttf|woff2?);base64,([A-Za-z0-9+/=]+)\1\)/g,
  (_, __, extension, base64) => {
    const font = Buffer.from(base64, "base64");
    const name = `font-${hashOf(font)}.${extension}`;
    writeFileSync(join(assets, name), font);
    return `url(${name})`;
  },
);
const { outputFiles } = await build({
  absWorkingDir: root,
  stdin: { contents: withFontFiles, loader: "css" },
  minify: true,
  legalComments: "none",
  logLevel: "error",
  write: false,
});
const style = `main-${hashOf(outputFiles[0].contents)}.css`;
writeFileSync(join(assets, style), outputFiles[0].contents);

// 3. Favicon, index.html, version.
const icon = readFileSync(join(root, "src/favicon.svg"));
const iconName = `favicon-${hashOf(icon)}.svg`;
writeFileSync(join(assets, iconName), icon);
writeFileSync(
  join(dist, "index.html"),
  readFileSync(join(root, "src/index.html"), "utf8")
    .replace("%ICON%", BASE + iconName)
    .replace("%STYLE%", BASE + style)
    .replace("%SCRIPT%", url("main"))
    .replace("%EDITOR_WORKER%", url("editor.worker"))
    .replace("%JSON_WORKER%", url("json.worker"))
    .replace("%GRAPHQL_WORKER%", url("graphql.worker")),
);
writeFileSync(join(dist, "VERSION"), `GraphiQL ${packageJson("graphiql").version}\n`);

// 4. The licences of everything that went into the files above.
const names = new Set(["graphiql"]);
for (const { inputs } of Object.values(page.metafile.outputs)) {
  for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
    const at = input.lastIndexOf("node_modules/");
    if (at < 0 || bytesInOutput === 0) continue;
    const parts = input.slice(at + "node_modules/".length).split("/");
    names.add(parts[0].startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]);
  }
}
const notices = [...names].sort().map((name) => {
  const { version, license } = packageJson(name);
  const folder = join(root, "node_modules", name);
  const file = readdirSync(folder).sort().find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(folder, file), "utf8").trim().replace(/\r\n/g, "\n") : "";
  return `${name} ${version} (${license})\n\n${text}\n`;
});
notices.push("Fonts: Roboto (Apache-2.0), Fira Code (OFL-1.1), Codicons (CC-BY-4.0)\n");
writeFileSync(join(assets, "LICENSES.txt"), notices.join(`\n${"-".repeat(72)}\n\n`));

// 5. Say what was made.
let total = 0;
const list = (folder) => {
  for (const entry of readdirSync(folder).sort()) {
    const path = join(folder, entry);
    const stat = statSync(path);
    if (stat.isDirectory()) list(path);
    else {
      total += stat.size;
      console.log(String(stat.size).padStart(9), relative(dist, path).replaceAll("\\", "/"));
    }
  }
};
list(dist);
console.log(String(total).padStart(9), "total");
