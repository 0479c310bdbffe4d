// A button that opens a list of choices, of which one is taken.

/** Where a group of menus lives; one is open at a time. */
export class Menus {
  #open = null;
  #onToggle;

  constructor({ onToggle }) {
    this.#onToggle = onToggle;
    document.addEventListener("pointerdown", (event) => {
      if (this.#open && !this.#open.contains(event.target)) this.close();
    });
  }

  get isOpen() {
    return this.#open !== null;
  }

  /** A menu of `root`, which holds a button and an element with the role of a menu; `choices()` is asked each time it opens. */
  add(root, { choices, choose }) {
    return new Menu(root, { choices, choose, menus: this });
  }

  opened(menu) {
    this.close();
    this.#open = menu;
    this.#onToggle();
  }

  close({ focus = false } = {}) {
    const menu = this.#open;
    this.#open = null;
    menu?.hide({ focus });
    if (menu) this.#onToggle();
  }
}

class Menu {
  #button;
  #list;
  #root;
  #choices;
  #choose;
  #menus;

  constructor(root, { choices, choose, menus }) {
    this.#root = root;
    this.#button = root.querySelector("button[aria-haspopup]");
    this.#list = root.querySelector("[role=menu]");
    this.#choices = choices;
    this.#choose = choose;
    this.#menus = menus;
    this.#button.addEventListener("click", () => this.#toggle());
    this.#list.addEventListener("click", (event) => this.#pick(event.target.closest("[role=menuitemradio]")));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    root.addEventListener("focusout", (event) => {
      if (!this.#list.hidden && event.relatedTarget && !root.contains(event.relatedTarget)) menus.close();
    });
  }

  contains(node) {
    return this.#root.contains(node);
  }

  /** Show it only when there is something to choose, with `label` as the current choice. */
  update({ visible, label }) {
    this.#root.hidden = !visible;
    const text = this.#root.querySelector("[data-label]");
    if (text.textContent !== label) text.textContent = label;
    if (!this.#list.hidden) this.#mark();
  }

  hide({ focus }) {
    this.#list.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (focus) this.#button.focus();
  }

  #toggle() {
    if (!this.#list.hidden) {
      this.#menus.close();
      return;
    }
    this.#menus.opened(this);
    this.#list.querySelector("[data-items]").replaceChildren(...this.#choices().map(item));
    this.#list.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    const items = this.#items();
    (items.find((one) => one.getAttribute("aria-checked") === "true") ?? items[0])?.focus({ preventScroll: false });
  }

  /** Follows a change that happens while it is open, without moving the focus. */
  #mark() {
    const items = this.#items();
    this.#choices().forEach((choice, index) => {
      items[index]?.setAttribute("aria-checked", String(choice.checked));
    });
  }

  #items() {
    return [...this.#list.querySelectorAll("[role=menuitemradio]")];
  }

  #pick(element) {
    if (!element) return;
    const choice = this.#choices()[this.#items().indexOf(element)];
    this.#menus.close({ focus: true });
    if (choice) this.#choose(choice.value);
  }

  #onKey(event) {
    const items = this.#items();
    const at = items.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 };
    if (event.key in moves) items[moves[event.key] % items.length]?.focus();
    else if (event.key === "Escape") this.#menus.close({ focus: true });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function item({ label, detail, checked }) {
  const button = document.createElement("button");
  button.type = "button";
  button.tabIndex = -1;
  button.setAttribute("role", "menuitemradio");
  button.setAttribute("aria-checked", String(checked));
  const name = document.createElement("span");
  name.textContent = label;
  const extra = document.createElement("small");
  extra.textContent = detail ?? "";
  button.append(name, extra);
  return button;
}
