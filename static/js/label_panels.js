// Beside the image: guidelines, help, and the field that finds a class.

export class Help {
  constructor() {
    this.dialog = document.getElementById("help");
  }

  get isOpen() {
    return this.dialog.open;
  }

  toggle() {
    if (this.isOpen) this.dialog.close();
    else this.dialog.showModal();
  }
}

export class Guidelines {
  constructor(url) {
    this.url = url;
    this.panel = document.getElementById("guidelines");
    this.body = document.getElementById("guidelines-body");
    this.loaded = false;
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  async open() {
    this.panel.hidden = false;
    this.tell();
    if (this.loaded) return;
    try {
      const reply = await fetch(this.url);
      if (!reply.ok || reply.redirected) throw new Error(String(reply.status));
      this.body.innerHTML = await reply.text(); // our own template, everything in it escaped
      this.loaded = true;
    } catch {
      this.body.textContent = "The guidelines could not be fetched. Close the panel and try again.";
    }
  }

  close() {
    this.panel.hidden = true;
    this.tell();
  }

  tell() {
    const button = document.querySelector('.label-tools [data-action="guidelines"]');
    button.setAttribute("aria-expanded", String(!this.panel.hidden));
  }
}

/** Projects with more classes than keys: type a part of the name, Enter takes the first. */
export class ClassFilter {
  constructor(choose) {
    this.field = document.getElementById("filter");
    this.buttons = [...document.querySelectorAll("[data-class]")];
    this.field?.addEventListener("input", () => this.narrow());
    this.field?.addEventListener("keydown", (event) => this.onKey(event, choose));
  }

  get exists() {
    return this.field !== null;
  }

  focus() {
    this.field?.focus();
    this.field?.select();
  }

  narrow() {
    const wanted = this.field.value.trim().toLowerCase();
    const rank = (button) => {
      const name = button.querySelector(".label-class-name").textContent.toLowerCase();
      return name.startsWith(wanted) ? 0 : name.includes(wanted) ? 1 : 2;
    };
    const ranks = new Map(this.buttons.map((button) => [button, rank(button)]));
    for (const [button, place] of ranks) button.hidden = place === 2;
    this.first = [0, 1].flatMap((n) => this.buttons.filter((b) => ranks.get(b) === n))[0];
    for (const button of this.buttons) {
      button.toggleAttribute("data-first", Boolean(wanted) && button === this.first);
    }
  }

  onKey(event, choose) {
    if (event.isComposing) return;
    if (event.key === "Escape") this.clear();
    if (event.key !== "Enter" || event.repeat || !this.field.value.trim() || !this.first) return;
    event.preventDefault();
    const index = Number(this.first.dataset.class);
    this.field.value = "";
    this.narrow();
    choose(index);
  }

  clear() {
    this.field.value = "";
    this.narrow();
    this.field.blur();
  }
}
