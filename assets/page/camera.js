// This device's camera and microphone, captured and sent with the times of their capture.
import { $, address, call, say } from "./common.js";
import { listen } from "./sound.js";

const PICTURES_A_SECOND = 4; // what the server chooses from
const WIDEST = 960;
const QUALITY = 0.8;
const EVERY = 200; // milliseconds between two sendings
const AGAIN = 1500; // milliseconds after which a device that is away is looked for again
const MOST_PICTURES = 40; // kept while the connection is away
const MOST_SOUND = 600; // stretches of a tenth of a second
const PICTURE = 1;
const SOUND = 2;
const HEADER = 21;

export class Camera {
  constructor(session) {
    this.session = session;
    this.waiting = [];
    this.number = 0;
    this.epoch = null;
    this.running = true;
    this.away = false;
  }

  async start() {
    if (!navigator.mediaDevices)
      throw new Error("this page may not use the camera: open it on localhost or with https");
    await this.open();
    if (!this.running) return this.stop();
    await this.agree();
    await this.capture();
    this.send();
  }

  // What there is of the devices: both, or one of them.
  async open() {
    const video = { width: { ideal: 1280 }, facingMode: "environment" };
    const audio = { echoCancellation: true, noiseSuppression: false, autoGainControl: true };
    const ask = (what) => navigator.mediaDevices.getUserMedia(what);
    const missing = (error) => {
      if (error.name !== "NotFoundError") throw error;
    };
    this.stream = (await ask({ video, audio }).catch(missing)) ?? (await ask({ video }).catch(missing)) ?? (await ask({ audio }));
    for (const track of this.stream.getTracks()) track.addEventListener("ended", () => this.gone(track));
    const player = $("player");
    player.srcObject = this.stream;
    player.muted = true;
    player.controls = false;
    await player.play();
  }

  // A device was unplugged, or taken by another program: what is there is opened again.
  async gone(track) {
    if (!this.running || !this.stream.getTracks().includes(track)) return;
    say("The camera is away: trying again ...", "busy");
    while (this.running) {
      this.close();
      await new Promise((done) => setTimeout(done, AGAIN));
      if (!this.running) return;
      try {
        await this.open();
        if (!this.running) return this.stop();
        await this.capture();
        return say("The camera is back.");
      } catch {
        // It is still away.
      }
    }
  }

  close() {
    this.silence?.();
    this.silence = null;
    this.stream?.getTracks().forEach((track) => track.stop());
  }

  stop() {
    this.running = false;
    this.close();
    const player = $("player");
    if (player.srcObject === this.stream) player.srcObject = null;
    player.muted = false;
    player.controls = true;
  }

  // Agree with the server on the stream time now.
  async agree() {
    const asked = performance.now();
    const told = await call("GET", `sessions/${this.session}/live`);
    this.meet(told, (asked + performance.now()) / 2);
  }

  meet(told, at) {
    if (told.epoch === this.epoch) return;
    this.epoch = told.epoch;
    this.zero = at - told.now * 1000;
    this.number = told.next;
    this.waiting = [];
  }

  now() {
    return (performance.now() - this.zero) / 1000;
  }

  // Stream time of the picture that is shown; null before there is one.
  get shown() {
    return this.running && this.zero !== undefined ? this.now() : null;
  }

  // Pictures and sound of what is open, until it is closed.
  async capture() {
    const { stream } = this;
    const player = $("player");
    const canvas = document.createElement("canvas");
    let due = 0;
    const look = (now, seen) => {
      if (!this.running || stream !== this.stream) return;
      player.requestVideoFrameCallback(look);
      const time = seen.captureTime ?? now;
      if (time < due) return;
      due = Math.max(due + 1000 / PICTURES_A_SECOND, time);
      const scale = Math.min(1, WIDEST / player.videoWidth);
      canvas.width = Math.round(player.videoWidth * scale);
      canvas.height = Math.round(player.videoHeight * scale);
      canvas.getContext("2d").drawImage(player, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(
        async (blob) => blob && this.keep(PICTURE, time, 0, new Uint8Array(await blob.arrayBuffer())),
        "image/jpeg",
        QUALITY,
      );
    };
    player.requestVideoFrameCallback(look);
    if (stream.getAudioTracks().length) this.silence = await listen(stream, (sound) => this.hear(sound));
  }

  hear({ time, rate, samples }) {
    this.keep(SOUND, time, rate, new Uint8Array(samples.buffer));
  }

  keep(kind, time, rate, data) {
    const seconds = (time - this.zero) / 1000;
    if (!this.running || seconds < 0) return;
    this.waiting.push({ kind, time: seconds, rate, data, number: this.number++ });
    const most = kind === PICTURE ? MOST_PICTURES : MOST_SOUND;
    if (this.waiting.filter((piece) => piece.kind === kind).length > most)
      this.waiting.splice(this.waiting.findIndex((piece) => piece.kind === kind), 1);
  }

  async send() {
    while (this.running) {
      await new Promise((done) => setTimeout(done, EVERY));
      const pieces = this.waiting.slice(0, 80);
      if (!pieces.length) continue;
      try {
        const reply = await fetch(address(`sessions/${this.session}/live`), {
          method: "POST",
          body: pack(pieces),
        });
        const told = await reply.json();
        if (reply.status === 404) throw new Error(told.detail);
        if (!reply.ok) {
          say(told.detail, "wrong");
          await this.agree(); // the server may have been started anew
        }
        this.waiting = this.waiting.filter((piece) => !pieces.includes(piece));
        if (reply.ok) this.meet(told, performance.now());
        if (this.away) say("The connection is back.");
        this.away = false;
      } catch {
        // The same pieces are sent again under the same numbers: the server takes each once.
        if (this.running) say("The connection is away: trying again ...", "busy");
        this.away = true;
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
  }
}

function pack(pieces) {
  const size = pieces.reduce((sum, piece) => sum + HEADER + piece.data.length, 0);
  const body = new Uint8Array(size);
  const view = new DataView(body.buffer);
  let at = 0;
  for (const { kind, time, rate, number, data } of pieces) {
    view.setUint8(at, kind);
    view.setFloat64(at + 1, time, true);
    view.setUint32(at + 9, rate, true);
    view.setUint32(at + 13, number, true);
    view.setUint32(at + 17, data.length, true);
    body.set(data, at + HEADER);
    at += HEADER + data.length;
  }
  return body;
}
