// Reads a flowchart from stdin as Mermaid does, and prints what it found as JSON. Needs the npm packages mermaid and
// jsdom in the folder that CACHEPY_NODE_MODULES names.
import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.CACHEPY_NODE_MODULES + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { JSDOM } = (await load("jsdom")).default ?? (await load("jsdom"));
globalThis.window = new JSDOM("<!doctype html><body></body>").window;
globalThis.document = window.document;
const mermaid = (await load("mermaid")).default;

mermaid.initialize({ startOnLoad: false, maxTextSize: 10_000_000, maxEdges: 100_000 });
const text = fs.readFileSync(0, "utf8");
const { diagramType } = await mermaid.parse(text);
const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
console.log(JSON.stringify({
  type: diagramType,
  boxes: [...db.getVertices().values()].map((box) => [box.id, box.text, box.classes]),
  edges: db.getEdges().map((edge) => [edge.start, edge.end, edge.text, edge.stroke]),
}));
