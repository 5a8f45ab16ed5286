// The encoder's input from a picture, as Pillow and numpy make it (susx/bundle/pixels.py): Pillow's resampling in whole numbers
// (ImagingResampleHorizontal_8bpc and Vertical of src/libImaging/Resample.c, 22 bits), the crop, and float32 in torch's order.

const BITS = 2 ** 22;

const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    at: (x) => {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function weights(from, to, filter) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  const support = filter.support * wide;
  const found = [];
  for (let x = 0; x < to; x += 1) {
    const centre = (x + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const own = [];
    let sum = 0;
    for (let i = first; i < last; i += 1) {
      const w = filter.at((i - centre + 0.5) * (1 / wide));
      own.push(w);
      sum += w;
    }
    found.push([first, own.map((w) => {
      const k = sum === 0 ? w : w / sum;
      return Math.trunc(k < 0 ? k * BITS - 0.5 : k * BITS + 0.5);
    })]);
  }
  return found;
}

const clip = (sum) => Math.min(255, Math.max(0, Math.floor(sum / BITS)));

function resampled({ width, height, data }, w, h, filter) {
  let now = { width, height, data };
  if (w !== width) {
    const made = new Uint8ClampedArray(w * height * 3);
    const table = weights(width, w, filter);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < w; x += 1) {
        const [first, own] = table[x];
        for (let c = 0; c < 3; c += 1) {
          let sum = BITS / 2;
          for (let i = 0; i < own.length; i += 1) sum += data[(y * width + first + i) * 3 + c] * own[i];
          made[(y * w + x) * 3 + c] = clip(sum);
        }
      }
    }
    now = { width: w, height, data: made };
  }
  if (h !== height) {
    const made = new Uint8ClampedArray(w * h * 3);
    const table = weights(height, h, filter);
    for (let y = 0; y < h; y += 1) {
      const [first, own] = table[y];
      for (let x = 0; x < w * 3; x += 1) {
        let sum = BITS / 2;
        for (let i = 0; i < own.length; i += 1) sum += now.data[(first + i) * w * 3 + x] * own[i];
        made[y * w * 3 + x] = clip(sum);
      }
    }
    now = { width: w, height: h, data: made };
  }
  return now;
}

// Python rounds halves to the even number.
function round(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest === 0.5 ? low + (low % 2 ? 1 : 0) : Math.round(value);
}

function target(rule, width, height) {
  if (rule.resize === "exact") return [rule.width, rule.height];
  if (rule.resize === "shorter") {
    const longer = Math.trunc(rule.height * Math.max(width, height) / Math.min(width, height));
    return width <= height ? [rule.height, longer] : [longer, rule.height];
  }
  const ratios = [height / rule.height, width / rule.width];
  const ratio = rule.resize === "within" ? Math.max(...ratios) : Math.min(...ratios);
  return [round(width / ratio), round(height / ratio)];
}

// RGB bytes of a picture, {width, height, data}, to float32 [3, height, width].
export function prepare(rule, picture) {
  const [w, h] = target(rule, picture.width, picture.height).map((side) => Math.max(1, side));
  const shown = resampled(picture, w, h, FILTERS[rule.interpolation]);
  const left = w >= rule.width ? round((w - rule.width) / 2) : -Math.floor((rule.width - w) / 2);
  const top = h >= rule.height ? round((h - rule.height) / 2) : -Math.floor((rule.height - h) / 2);
  const values = new Float32Array(3 * rule.height * rule.width);
  for (let c = 0; c < 3; c += 1) {
    const mean = Math.fround(rule.mean[c]);
    const std = Math.fround(rule.std[c]);
    for (let y = 0; y < rule.height; y += 1) {
      for (let x = 0; x < rule.width; x += 1) {
        const i = x + left;
        const j = y + top;
        const level = i < 0 || j < 0 || i >= w || j >= h ? rule.fill : shown.data[(j * w + i) * 3 + c];
        values[(c * rule.height + y) * rule.width + x] = Math.fround(Math.fround(Math.fround(level / 255) - mean) / std);
      }
    }
  }
  return values;
}

// An upright RGB picture of a file, laid on white, colour profiles left aside, as susx/image_files.py decodes it.
export async function decode(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  if (width * height > 100e6) throw new Error(`The picture has ${width} x ${height} pixels; at most 100 million are decoded.`);
  if (Math.max(width, height) > 100 * Math.min(width, height)) throw new Error(`A picture of ${width} x ${height} is too narrow.`);
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  const four = pen.getImageData(0, 0, width, height).data;
  const data = new Uint8ClampedArray(width * height * 3);
  for (let i = 0, j = 0; i < four.length; i += 4) {
    data[j++] = four[i];
    data[j++] = four[i + 1];
    data[j++] = four[i + 2];
  }
  return { width, height, data };
}
