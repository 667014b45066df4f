// The microphone at 16 kHz, and the stream of the server.
const RATE = 16000;

// Opens the microphone. `onFrame` gets Int16Array frames; the result has `rate` and `stop()`, which waits for the last.
export async function openMicrophone(onFrame) {
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  let context = new AudioContext({ sampleRate: RATE });
  let source;
  try {
    source = context.createMediaStreamSource(media);
  } catch {
    // A browser that does not resample a microphone: the server does.
    await context.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(media);
  }
  await context.audioWorklet.addModule("recorder.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  let finished;
  const end = new Promise((resolve) => { finished = resolve; });
  node.port.onmessage = ({ data }) => (data === null ? finished() : onFrame(data));
  source.connect(node);
  await context.resume();
  return {
    rate: context.sampleRate,
    async stop() {
      node.port.postMessage("stop");
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 500))]);
      for (const track of media.getTracks()) track.stop();
      await context.close();
    },
  };
}

// A stream: `send(frame)`, `end()`, and `answer`, a promise of the final answer. Frames before it is ready wait.
export function openStream(config, onPartial) {
  const address = new URL("v1/stream", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  const waiting = [];
  let ready = false;
  const send = (message) => (ready ? socket.send(message) : waiting.push(message));
  const answer = new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify(config));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.event === "ready") {
        ready = true;
        waiting.splice(0).forEach((each) => socket.send(each));
      } else if (message.event === "partial") onPartial(message);
      else if (message.event === "final") resolve(message.answer);
      else if (message.event === "error") reject(message);
    };
    socket.onclose = () => reject({ code: "closed" });
  });
  answer.catch(() => {});
  return { send, end: () => send(JSON.stringify({ event: "end" })), answer };
}
