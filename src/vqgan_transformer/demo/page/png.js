// Gray PNG files of 8 or 16 bits, number for number: a canvas could only write colours.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte >>> 0;
});

function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length), view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, checksum(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

async function compressed(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A PNG of integers: of 8 bits where they fit, else of 16. */
export async function grayPng(data, width, height) {
  const wide = data.some((value) => value > 255), size = wide ? 2 : 1;
  const rows = new Uint8Array(height * (1 + width * size));
  for (let y = 0; y < height; y++) {
    let place = y * (1 + width * size) + 1;
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x];
      if (wide) rows[place++] = value >> 8;
      rows[place++] = value & 255;
    }
  }
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8 * size;
  const signature = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
  return new Blob([signature, chunk("IHDR", header), chunk("IDAT", await compressed(rows)), chunk("IEND", new Uint8Array())], { type: "image/png" });
}
