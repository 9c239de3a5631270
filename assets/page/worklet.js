// Hands the microphone's sound to the page, block by block, with the audio clock's time.
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
    this.began = 0;
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    if (!this.blocks.length) this.began = currentTime;
    const mono = new Float32Array(channels[0].length);
    for (const channel of channels) channel.forEach((v, i) => (mono[i] += v / channels.length));
    this.blocks.push(mono);
    const size = this.blocks.reduce((sum, block) => sum + block.length, 0);
    if (size >= sampleRate / 10) {
      const samples = new Int16Array(size);
      let at = 0;
      for (const block of this.blocks)
        for (const v of block) samples[at++] = Math.max(-1, Math.min(1, v)) * 32767;
      this.port.postMessage({ began: this.began, samples }, [samples.buffer]);
      this.blocks = [];
    }
    return true;
  }
}
registerProcessor("microphone", Microphone);
