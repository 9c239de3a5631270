// Questions that are spoken, and answers that are read aloud.
import { $, address, say, type } from "./common.js";
import { listen } from "./sound.js";

const SHORTEST = 0.3; // seconds

export function holdToSpeak(session) {
  const button = $("talk");
  let recording = null;
  const begin = async () => {
    if (recording || !session()) return;
    const mine = (recording = { parts: [], rate: 0, over: false });
    button.ariaPressed = "true";
    button.textContent = "Listening ...";
    try {
      mine.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      mine.silence = await listen(mine.stream, ({ rate, samples }) => {
        mine.rate = rate;
        mine.parts.push(samples);
      });
      if (mine.over) close(mine);
    } catch (error) {
      say(`The microphone cannot be used: ${error.message}`, "wrong");
      end();
    }
  };
  const close = (mine) => {
    mine.silence?.();
    mine.stream?.getTracks().forEach((track) => track.stop());
  };
  const end = async () => {
    const mine = recording;
    if (!mine) return;
    recording = null;
    mine.over = true;
    button.ariaPressed = "false";
    // What was said last is still on its way from the microphone.
    await new Promise((done) => setTimeout(done, 250));
    close(mine);
    button.textContent = "Hold to speak";
    const size = mine.parts.reduce((sum, part) => sum + part.length, 0);
    if (!mine.rate || size < SHORTEST * mine.rate) return;
    button.textContent = "Understanding ...";
    try {
      const reply = await fetch(address(`sessions/${session()}/speech?rate=${mine.rate}`), {
        method: "POST",
        body: new Blob(mine.parts),
      });
      const told = await reply.json();
      if (!reply.ok) throw new Error(told.detail);
      if (!told.text) return say("Nothing could be made out: speak again, or type.", "wrong");
      type("question", told.text);
      setTimeout(() => $("ask").click(), 150);
    } catch (error) {
      say(`The question was not understood: ${error.message}`, "wrong");
    } finally {
      button.textContent = "Hold to speak";
    }
  };
  button.addEventListener("pointerdown", begin);
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(name, end);
  const key = (event) =>
    (event.code === "KeyT" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event)) ||
    (event.target === button && ["Space", "Enter"].includes(event.code));
  addEventListener("keydown", (event) => key(event) && (event.preventDefault(), event.repeat || begin()));
  addEventListener("keyup", (event) => key(event) && (event.preventDefault(), end()));
}

const typing = (event) => Boolean(event.target.closest?.("input, textarea, select, [contenteditable=true]"));

// Only voices of this device: the others would send what they read to somebody else.
export function readAloud(text) {
  if (!$("aloud").checked || !window.speechSynthesis) return;
  const voices = speechSynthesis.getVoices().filter((voice) => voice.localService);
  if (!voices.length) return say("This device has no voice of its own to read with.", "wrong");
  const spoken = new SpeechSynthesisUtterance(text);
  spoken.voice = voices.find((voice) => voice.lang.startsWith("en")) ?? voices[0];
  speechSynthesis.speak(spoken);
}
