// Shows a session whose source plays no more: the small pictures that memory kept of it.
import { $, address } from "./common.js";

export class Past {
  constructor(session) {
    this.session = session;
    this.stopped = new AbortController();
    $("player").hidden = true;
    this.show("");
  }

  show(query) {
    const image = $("pictures");
    const picture = new Image();
    picture.onload = () => {
      if (this.stopped.signal.aborted) return;
      image.src = picture.src;
      image.hidden = false;
    };
    picture.src = address(`sessions/${this.session}/picture.jpg${query}`);
  }

  // Show the moment at stream time; what is asked is then about it.
  jump(time) {
    this.show(`?at=${time}`);
    return false;
  }

  stop() {
    this.stopped.abort();
    $("player").hidden = false;
    $("pictures").hidden = true;
    $("pictures").removeAttribute("src");
  }
}
