// The microphone as stretches of 16-bit sound, each with the time it was heard.
import { address } from "./common.js";

const MEMORY = 30_000; // milliseconds over which the audio clock is held against the page's

// heard({time, rate, samples}): time in milliseconds of performance.now().
export async function listen(stream, heard) {
  const context = new AudioContext();
  await context.resume();
  await context.audioWorklet.addModule(address("page/worklet.js"));
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
  // A block arrives when it has been heard, or later: the smallest delay seen of late is the
  // distance between the two clocks.
  let delays = [];
  node.port.onmessage = ({ data }) => {
    const now = performance.now();
    const end = (data.began + data.samples.length / context.sampleRate) * 1000;
    delays = delays.filter(([at]) => at > now - MEMORY);
    delays.push([now, now - end]);
    const distance = Math.min(...delays.map(([, delay]) => delay));
    const latency = (stream.getAudioTracks()[0]?.getSettings().latency ?? 0) * 1000;
    heard({
      time: data.began * 1000 + distance - latency,
      rate: Math.round(context.sampleRate),
      samples: data.samples,
    });
  };
  source.connect(node);
  return () => {
    node.port.onmessage = null;
    source.disconnect();
    context.close();
  };
}
