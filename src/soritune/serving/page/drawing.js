// The waveform with the phones on it, and sound as a WAV file.
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Draws samples (Float32Array or Int16Array) over the width of the canvas; `at` is the place that plays, in seconds.
export function drawWave(canvas, samples, rate, symbols, at) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const middle = height * 0.45, half = height * 0.42;
  pen.fillStyle = colour("--line");
  pen.fillRect(0, middle, width, 1);
  if (!samples.length) return;
  let largest = samples instanceof Int16Array ? 3277 : 0.1;
  for (const sample of samples) if (Math.abs(sample) > largest) largest = Math.abs(sample);
  pen.fillStyle = colour("--wave");
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    let low = 0, high = 0;
    for (let i = from; i < to && i < samples.length; i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    const top = middle - (high / largest) * half;
    pen.fillRect(x, top, 1, Math.max(1, ((high - low) / largest) * half));
  }
  const seconds = samples.length / rate;
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  let free = 0;
  for (const each of symbols) {
    if (each.symbol === "|") continue;
    const x = ((each.start_s + each.end_s) / 2 / seconds) * width;
    pen.fillStyle = colour("--mark");
    pen.fillRect(x - 0.5, height * 0.88 - 6, 1, 6);
    const room = pen.measureText(each.symbol).width / 2 + 2;
    if (x - room < free || x + room > width) continue;
    pen.fillStyle = colour("--text");
    pen.fillText(each.symbol, x, height - 1);
    free = x + room;
  }
  if (at !== null) {
    pen.fillStyle = colour("--mark");
    pen.fillRect((at / seconds) * width - 1, 0, 2, height * 0.88);
  }
}

// Int16Array frames of one channel as a WAV file.
export function wavOf(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, samples.byteLength, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
