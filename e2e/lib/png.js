// @ts-check
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const signatureBytes = 8;
const channels = 3;

/** Returns a screenshot, a PNG of 8-bit RGB, as a smaller one: with its 256 most frequent colours. @param {Buffer} png */
export function compressed(png) {
  const data = [];
  /** @type {Buffer} */
  let header = Buffer.alloc(0);
  for (let at = signatureBytes; at < png.length;) {
    const length = png.readUInt32BE(at);
    const kind = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (kind === 'IHDR') header = body;
    if (kind === 'IDAT') data.push(body);
    at += 12 + length;
  }
  if (header[8] !== 8 || header[9] !== 2) throw new Error('not a PNG of 8-bit RGB');
  const width = header.readUInt32BE(0);
  const { palette, lines } = indexed(unfiltered(inflateSync(Buffer.concat(data)), width * channels), width);
  const paletteHeader = Buffer.from(header);
  paletteHeader[9] = 3;
  return Buffer.concat([
    png.subarray(0, signatureBytes), chunk('IHDR', paletteHeader), chunk('PLTE', palette),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })), chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Replaces colours by their places in a palette of the most frequent ones; a rarer one becomes the nearest of these. @param {Buffer} rgb @param {number} width in pixels */
function indexed(rgb, width) {
  const height = rgb.length / (width * channels + 1);
  const colours = new Uint32Array(width * height);
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (let i = 0; i < colours.length; i++) {
    const colour = rgb.readUIntBE(i * channels + 1 + Math.floor(i / width), channels);
    colours[i] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([colour]) => colour);
  const places = new Map([...counts.keys()].map((colour) => [colour, nearest(frequent, colour)]));
  const lines = Buffer.alloc((width + 1) * height);
  colours.forEach((colour, i) => { lines[i + 1 + Math.floor(i / width)] = places.get(colour) ?? 0; });
  const palette = Buffer.alloc(frequent.length * channels);
  frequent.forEach((colour, i) => palette.writeUIntBE(colour, i * channels, channels));
  return { palette, lines };
}

/** Returns the place of the colour that is nearest to another. @param {number[]} palette @param {number} colour */
function nearest(palette, colour) {
  const distance = (/** @type {number} */ other) =>
    [16, 8, 0].reduce((sum, shift) => sum + (((colour >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
  return palette.reduce((best, other, i) => distance(other) < distance(palette[best]) ? i : best, 0);
}

/** Undoes the filters of all lines, which begin with a byte that names theirs. @param {Buffer} lines @param {number} width in bytes */
function unfiltered(lines, width) {
  for (let line = 0; line < lines.length; line += width + 1) {
    const filter = lines[line];
    for (let i = line + 1; i <= line + width; i++) {
      const first = i - line <= channels;
      const left = first ? 0 : lines[i - channels];
      const up = line === 0 ? 0 : lines[i - width - 1];
      const corner = first || line === 0 ? 0 : lines[i - width - 1 - channels];
      lines[i] += [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
    lines[line] = 0;
  }
  return lines;
}

/** @param {number} left @param {number} up @param {number} corner */
function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** @param {string} kind @param {Buffer} body */
function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind, 'latin1'), body]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
