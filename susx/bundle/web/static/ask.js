// The browser answers: the bundle's graphs run here, and no picture leaves this computer.
import * as ort from "./ort/ort.wasm.min.mjs";
import { decode, prepare } from "./pixels.js";

export const where = "Pictures stay on this computer: they are classified in the browser, and nothing is sent anywhere.";
export const atOnce = 1;

const TOP = 5;
const NEAREST = 3;
const inBundle = (name) => new URL(`bundle/${name}`, import.meta.url);

async function fetched(name) {
  const answer = await fetch(inBundle(name));
  if (!answer.ok) throw new Error(`bundle/${name} is not there (${answer.status}).`);
  return answer.arrayBuffer();
}

// numpy's format, of float32 tables as the bundle has them.
function table(buffer) {
  const view = new DataView(buffer);
  const long = view.getUint8(6) > 1;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = new TextDecoder().decode(new Uint8Array(buffer, long ? 12 : 10, length));
  const [rows, columns] = header.match(/'shape': \((\d+), (\d+)\)/).slice(1).map(Number);
  if (!header.includes("'<f4'") || header.includes("True")) throw new Error("A table of the bundle is of another kind.");
  return { rows, columns, values: new Float32Array(buffer.slice(start)) };
}

function cosines(row, { rows, columns, values }) {
  const found = new Float64Array(rows);
  for (let i = 0; i < rows; i += 1) {
    let sum = 0;
    for (let j = 0; j < columns; j += 1) sum += row[j] * values[i * columns + j];
    found[i] = sum;
  }
  return found;
}

const largest = (values, count) => [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, count);

async function load() {
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "fatal";
  const told = JSON.parse(new TextDecoder().decode(await fetched("bundle.json")));
  if (told.format !== 1) throw new Error(`The bundle has format ${told.format}, and this page reads 1. Export it anew.`);
  const open = async (name) => {
    const options = { executionProviders: ["wasm"] };
    if (told.files[`${name}.data`]) options.externalData = [{ path: `${name}.data`, data: new Uint8Array(await fetched(`${name}.data`)) }];
    return ort.InferenceSession.create(new Uint8Array(await fetched(name)), options);
  };
  const [image, head] = [await open("image.onnx"), await open("head.onnx")];
  const classes = table(await fetched("classes.npy"));
  let support = null;
  let rows = [];
  if (told.files["support.npy"]) {
    support = table(await fetched("support.npy"));
    rows = new TextDecoder().decode(await fetched("support.jsonl")).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }
  const { threshold } = await (await fetch(new URL("settings.json", import.meta.url))).json();
  return { told, image, head, classes, support, rows, threshold };
}

const loaded = load();
loaded.catch(() => {});

export async function about() {
  const { told } = await loaded;
  const notes = told.quantised ? [...told.notes, told.quantised.sentence] : told.notes;
  return { classes: told.class_names.length, encoder: `${told.encoder.id.model} ${told.encoder.id.digest.slice(0, 12)}`, notes, toy: told.toy };
}

export async function classify(file) {
  const { told, image, head, classes, support, rows, threshold } = await loaded;
  let picture;
  try {
    picture = await decode(file);
  } catch (error) {
    return { error: error.name === "InvalidStateError" || error.name === "EncodingError" ? "The browser cannot decode this file as a picture." : String(error.message || error) };
  }
  const rule = told.pixels;
  const pixels = new ort.Tensor("float32", prepare(rule, picture), [1, 3, rule.height, rule.width]);
  const { features } = await image.run({ pixels }, ["features"]);
  const { logits } = await head.run({ features }, ["logits"]);
  const scores = Float64Array.from(logits.data);
  const most = scores.reduce((a, b) => Math.max(a, b));
  const shares = scores.map((score) => Math.exp((score - most) / told.calibration.temperature));
  const sum = shares.reduce((a, b) => a + b);
  const best = largest(shares, TOP);
  const near = support ? cosines(features.data, support) : [];
  const fit = cosines(features.data, classes);
  const bias = told.encoder.logit_bias;
  return {
    image: file.name,
    class_name: told.class_names[best[0]],
    probability: shares[best[0]] / sum,
    top: best.map((c) => ({
      class_name: told.class_names[c], probability: shares[c] / sum,
      ...(bias === null ? {} : { match: 1 / (1 + Math.exp(-(told.encoder.logit_scale * fit[c] + bias))) }),
    })),
    nearest: support ? largest(near, NEAREST).map((j) => ({ class_name: rows[j].class_name, similarity: near[j], file: rows[j].file, origin: rows[j].origin })) : [],
    ...(threshold === null ? {} : { none_of_these: fit.reduce((a, b) => Math.max(a, b)) < threshold }),
  };
}
