// AudioWorklet: the first channel as int16 in frames of 100 ms. The context that it runs in has the rate, 16 kHz.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.running = true;
    this.port.onmessage = () => {
      this.running = false;
      this.send();
      this.port.postMessage(null);
    };
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.frame[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.filled === this.frame.length) this.send();
    }
    return this.running;
  }

  send() {
    if (this.filled) this.port.postMessage(this.frame.slice(0, this.filled));
    this.filled = 0;
  }
}

registerProcessor("recorder", Recorder);
